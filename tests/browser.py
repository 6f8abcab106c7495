"""People's work at the pages of CSLU, SSM On-Prem and CSSM, in a real browser (CSLU-009 to 020, ONPREM-002 to 015)."""

import os
import pathlib
import re
import time
import zipfile
from base64 import b64decode

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from lab import Lab, done

SECONDS = 30


class Browser:
    def __init__(self, lab):
        self.downloads = lab.dir / "downloads"
        self.pictures = pathlib.Path(os.environ.get("RUMLINE_ARTEFACTS") or lab.dir / "pictures")
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.wrong = []
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ["headless=new", "no-sandbox", "ignore-certificate-errors", "disable-dev-shm-usage",
                     "hide-scrollbars", f"user-data-dir={lab.dir / 'profile'}"]:
            options.add_argument(f"--{flag}")
        options.add_experimental_option("prefs", {"download.default_directory": str(self.downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.width(1280)

    def __enter__(self):
        return self

    def __exit__(self, *failed):
        if failed[0]:
            self.picture("failed")
        self.driver.quit()

    def check(self, fine, what):
        """Notes what is wrong and goes on; the test fails at its end."""
        if not fine:
            print(f"WRONG: {what}", flush=True)
            self.wrong.append(what)

    # Looking.

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def wait(self, condition, what, seconds=SECONDS):
        ignored = [WebDriverException, AttributeError, LookupError]
        try:
            return WebDriverWait(self.driver, seconds, 0.1, ignored).until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"no {what} at {self.driver.current_url}:\n{self.text()}") from None

    def see(self, *texts):
        for text in texts:
            self.wait(lambda: text in self.text(), repr(text))

    def row(self, text):
        """The first row of the table that holds a text, by the names of the columns."""
        return self.driver.execute_script(
            "const names = [...document.querySelectorAll('thead th')].map(cell => cell.innerText);"
            "const rows = [...document.querySelectorAll('tbody tr')].map(row => [...row.cells]);"
            "const row = rows.find(row => row.some(cell => cell.innerText.includes(arguments[0]))) || [];"
            "return Object.fromEntries(row.map((cell, at) => [names[at], cell.innerText]))", text)

    def shown(self, xpath):
        return next((found for found in self.driver.find_elements(By.XPATH, xpath) if found.is_displayed()), None)

    def named(self, name):
        """A button, link or menu that shows this name now; one in the page before one around it."""
        kinds = f"*[self::button or self::a or self::summary][normalize-space()='{name}']"
        return self.shown(f"//main//{kinds}") or self.shown(f"//{kinds}")

    def width(self, width):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.wait(lambda: self.driver.execute_script("return innerWidth") == width, f"width {width}")

    def picture(self, name):
        options = {"captureBeyondViewport": True, "format": "png"}
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        (self.pictures / f"{name}.png").write_bytes(b64decode(data))

    def look(self, name):
        """Pictures of a page, wide and narrow; it fits in both, and its script did not stumble."""
        for width in (400, 1280):
            self.width(width)
            needs = self.driver.execute_script("return document.documentElement.scrollWidth")
            self.check(needs <= width, f"{name}: {needs} pixels wide in a window of {width}")
            self.picture(f"{name}-{width}")
        hidden = self.driver.execute_script(
            "return [...document.querySelectorAll('.scroll')].some(part => part.scrollWidth > part.clientWidth)")
        self.check(not hidden, f"{name}: a column is out of sight in a window of {width}")
        unnamed = self.driver.execute_script(
            "return [...document.querySelectorAll('input:not([type=hidden]), select')]"
            ".filter(i => !i.labels.length && !i.ariaLabel).map(i => i.outerHTML)")
        self.check(not unnamed, f"{name}: without a label: {unnamed}")
        for entry in self.driver.get_log("browser"):
            # That a page or an import on it was refused is noted by the browser too.
            here = self.driver.current_url
            refused = entry["message"].split(" ")[0] in (here, f"{here}/import")
            self.check(entry["level"] != "SEVERE" or refused, f"{name}: {entry['message']}")

    # Doing.

    def open(self, url):
        self.driver.get(url)

    def press(self, name):
        def work():
            self.named(name).click()
            return True
        self.wait(work, f"{name!r} to press")

    def leave(self, act):
        """Does what leads to another page, and waits until it is there."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        act()

        def gone():
            try:
                return page.is_enabled() and False
            except WebDriverException:
                return True
        self.wait(gone, "other page")
        self.wait(lambda: self.driver.execute_script("return document.readyState") == "complete", "whole page")

    def go(self, name):
        self.leave(lambda: self.press(name))

    def field(self, label):
        label_of = f"label[starts-with(normalize-space(), '{label}')]"
        xpath = (f"//{label_of}//*[self::input or self::select] | "
                 f"//*[self::input or self::select][@id = //{label_of}/@for]")
        return self.wait(lambda: self.shown(xpath), f"field {label!r}")

    def fill(self, **values):
        for label, value in values.items():
            field = self.field(label.replace("_", " "))
            if field.tag_name == "select":
                Select(field).select_by_visible_text(value)
            else:
                if field.get_attribute("type") != "file":
                    field.clear()
                field.send_keys(str(value))

    def type(self, name, value):
        """Types into the field that is sent under a name; its label stands beside it."""
        field = self.wait(lambda: self.shown(f"//*[@name='{name}']"), f"field {name!r}")
        label = self.driver.find_elements(By.XPATH, f"//label[@for='{field.get_attribute('id')}']")
        self.check(label, f"{name} has no label")
        field.clear()
        field.send_keys(str(value))

    def download(self, name, pattern):
        """Presses what gives a file, and waits for the file."""
        before = set(self.downloads.glob("*"))
        self.press(name)

        def come():
            # While it comes, a file has another name, which a pattern may match too.
            new = set(self.downloads.glob(pattern)) - before
            return next((file for file in new if file.suffix != ".crdownload"), None)
        return self.wait(come, f"file {pattern} among {before}")

    def log_in(self, url, login, password):
        self.open(url)
        self.fill(Login=login, Password=password)
        self.go("Log in")

    # By keyboard alone.

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, xpath):
        """Goes on with the tabulator key until what is meant has the focus, which can be seen."""
        for _ in range(60):
            self.keys(Keys.TAB)
            focus = self.driver.switch_to.active_element
            if focus in self.driver.find_elements(By.XPATH, xpath):
                ring = focus.value_of_css_property("outline-style")
                self.check(ring != "none", f"no sign of the focus at {xpath}")
                return
        raise AssertionError(f"{xpath} cannot be reached by keyboard at {self.driver.current_url}")


def last_ack(switch):
    found = re.search(r"Last ACK received: (.*\d\d:\d\d:\d\d.*)", switch.run("show license status"))
    return found and found[1]


def wait_for_ack(browser, switch, other_than=None):
    """What a switch asks for now and then is asked for here at once."""
    def come():
        switch.run("license smart sync all")
        ack = last_ack(switch)
        return ack if ack != other_than else None
    return browser.wait(come, f"ACK of {switch.name}")


def point_to(switch, url, feature):
    switch.run("configure terminal", f"hostname {switch.name}", "license smart transport cslu",
               f"license smart url cslu {url}", f"feature {feature}", "end",
               "copy running-config startup-config", "license smart sync all")


def through_cssm(browser, cssm, virtual_account, file):
    """A file from a collector becomes an ACK file at CSSM."""
    browser.open(cssm)
    browser.go("Reports")
    browser.see("Usage Data Files")
    browser.fill(Upload_Usage_Data=file)
    browser.go("Upload Data")
    browser.see("Select Virtual Accounts", file.name, "PID:N9K-")
    browser.look(f"cssm-select-{virtual_account}")
    browser.fill(Virtual_Account=virtual_account)
    browser.go("Upload Data")
    browser.wait(lambda: browser.row(file.name)["Acknowledgment"] == "Download", "acknowledgement")
    assert browser.row(file.name)["Virtual Account"] == virtual_account, browser.text()
    browser.look(f"cssm-usage-files-{virtual_account}")
    return browser.download("Download", "ACK_*")


def cslu_by_keyboard(browser, cslu, password):
    """Logging in and typing the accounts of a CSLU without a way to Cisco needs no mouse (CSLU-010, 011)."""
    browser.open(cslu)
    browser.look("cslu-login")
    browser.keys("admin")
    browser.tab_to("//input[@name='password']")
    browser.keys(password)
    browser.tab_to("//button[.='Log in']")
    browser.leave(lambda: browser.keys(Keys.ENTER))
    browser.see("No Smart Account and Virtual Account chosen yet.", "Add one, import a CSV file, or configure")
    browser.look("cslu-product-instances-empty")
    for tab, next_step in {"Files": "export usage from the list", "Licenses": "as soon as a product instance",
                           "Events": ""}.items():
        browser.go(tab)
        browser.see(next_step)
        browser.look(f"cslu-{tab.lower()}-empty")
    browser.tab_to("//nav/a[.='Preferences']")
    browser.leave(lambda: browser.keys(Keys.ENTER))
    browser.see("Cisco Is Available")
    browser.tab_to("//input[@name='connected']")
    browser.keys(Keys.SPACE)
    browser.tab_to("//input[@name='smart_account']")
    browser.keys("Example")
    browser.tab_to("//input[@name='virtual_account']")
    browser.keys("Default")
    browser.tab_to("//button[.='Save']")
    browser.leave(lambda: browser.keys(Keys.ENTER))
    browser.see("Cisco Is Not Available", "Example / Default")
    assert not browser.field("Cisco Connectivity").is_selected()
    browser.look("cslu-preferences-disconnected")


def cslu_list(browser, lab):
    """Product instances are added one by one and by a CSV file, and come out as one (CSLU-014, 015)."""
    browser.go("Product Instances")
    browser.press("Add")
    browser.look("cslu-menu-add")
    browser.fill(PID="N9K-C9504", Serial_Number="FOX0000AAAA", Host_Name="spine-1")
    browser.go("Add Product Instance")
    browser.see("FOX0000AAAA")
    rows = ["PID,Serial Number,Host Name", "N9K-C9508,FOX0000BBBB,spine-2", "N9K-C9508,,spine-3"]
    (lab.dir / "list.csv").write_text("\n".join(rows) + "\n")
    browser.press("CSV")
    browser.look("cslu-menu-csv")
    browser.fill(Import_CSV=lab.dir / "list.csv")
    browser.go("Import CSV")
    browser.see("1 product instance added", "1 row could not be taken. Line 3: a serial number must be")
    browser.look("cslu-csv-imported")
    browser.press("CSV")
    file = browser.download("Export CSV", "product-instances.csv")
    text = file.read_text()
    assert "N9K-C9508,FOX0000BBBB,spine-2,Example,Default" in text and "spine-3" not in text, text
    browser.fill(Import_CSV=file)
    browser.go("Import CSV")
    browser.see("0 product instances added, 2 were there already, 0 rows could not be taken.")
    browser.fill(Search="BBBB")
    browser.go("Search")
    browser.wait(lambda: browser.row("FOX0000BBBB") and not browser.row("FOX0000AAAA"), "what was searched")
    browser.go("Product Instances")


def cslu_by_file(browser, lab, cssm, device_url):
    """Topology 3: a switch reports, a file goes to CSSM, another comes back (CSLU-016 to 020)."""
    page = browser.driver.find_element(By.TAG_NAME, "html")
    switch = lab.start_switch("leaf-1")
    point_to(switch, device_url, "bgp")
    cells = browser.wait(lambda: browser.row("leaf-1"), "switch in the list")
    assert page.is_enabled(), "the page was loaded anew"
    browser.check(cells["Last ACK"] == "never", f"an ACK before there is one: {cells}")
    browser.look("cslu-product-instances")
    assert last_ack(switch) is None
    browser.press("Data")
    browser.look("cslu-menu-data")
    usage = browser.download("Export to CSSM (Download All for Cisco)", "UD_SA_*.tar.gz")
    listed = browser.driver.current_url
    ack = through_cssm(browser, cssm, "Default", usage)
    browser.open(listed)
    browser.press("Data")
    browser.fill(Import_from_CSSM=ack)
    browser.go("Import from CSSM")
    browser.wait(lambda: browser.row(ack.name)["Status"] == "Done", "import that is done")
    browser.look("cslu-files")
    wait_for_ack(browser, switch)
    browser.go("Product Instances")
    browser.wait(lambda: "UTC" in browser.row("leaf-1")["Last ACK"], "Last ACK in the list")
    browser.go("Events")
    browser.look("cslu-events")
    return switch


def cslu_connected(browser, switch, cssm_password):
    """Topology 1: the same CSLU with Cisco within reach (CSLU-009 to 011)."""
    browser.go("Preferences")
    browser.field("Cisco Connectivity").click()
    browser.go("Save")
    browser.see("Cisco Is Available", "CSSM does not know this server yet")
    browser.look("cslu-preferences-not-known")
    browser.go("Login to Cisco")
    browser.look("cslu-login-to-cisco")
    browser.fill(CCO_User_Name="admin", CCO_Password=cssm_password)
    browser.go("Login to Cisco")
    browser.see("Cisco: admin", "Log out of Cisco")
    browser.fill(Smart_Account_and_Virtual_Account="Example / Default")
    browser.go("Save")
    browser.see("Example / Default")
    assert "does not know this server" not in browser.text(), browser.text()
    browser.look("cslu-preferences-connected")
    before = last_ack(switch)
    switch.run("configure terminal", "feature itd", "end", "license smart sync all")
    browser.go("Product Instances")
    browser.press("Data")
    browser.go("Sync with Cisco")
    wait_for_ack(browser, switch, before)
    browser.wait(lambda: browser.row("leaf-1")["Waiting"] == "0", "reports that are all acknowledged")
    browser.see("Last exchange with Cisco:")
    browser.look("cslu-product-instances-connected")
    browser.go("Licenses")
    browser.wait(lambda: browser.row("LAN_ENTERPRISE_SERVICES_PKG"), "licenses")
    browser.look("cslu-licenses")
    browser.go("Admin Workspace")
    browser.look("cslu-admin")


def on_prem(browser, lab, cssm, on_prem, password):
    """Topology 5: an SSM On-Prem without a way to Cisco (ONPREM-002 to 013)."""
    browser.log_in(on_prem, "admin", password)
    browser.see("No tenant yet.", "Create a tenant")
    browser.look("onprem-workspace-empty")
    browser.fill(Tenant_ID="XYZ-ON-PREM-1", Smart_Account="Example", Virtual_Account="Lab")
    browser.field("Cisco Is Available").click()
    browser.go("Create")
    browser.see("XYZ-ON-PREM-1: Preferences", "Example / Lab", "Cisco Is Not Available")
    browser.look("onprem-preferences")
    browser.go("License Workspace")
    browser.look("onprem-workspace")
    browser.go("XYZ-ON-PREM-1")
    browser.see("Smart Software Manager On-Prem > Smart Licensing > Inventory > SL Using Policy")
    tenant, url = browser.driver.current_url, browser.driver.find_element(By.CSS_SELECTOR, "main code").text
    assert re.fullmatch(r"https://localhost:\d+/cslu/v1/pi/XYZ-ON-PREM-1", url), url
    browser.press("Copy")
    browser.see("Copied")
    browser.field("Search").click()
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()
    browser.wait(lambda: browser.field("Search").get_attribute("value") == url, "URL in the clipboard")
    browser.open(tenant)
    browser.look("onprem-list-empty")

    root = lab.dir / "onprem/root.pem"
    switches = [lab.start_switch(name, "--tls-root", root) for name in ("leaf-2", "leaf-3")]
    for switch in switches:
        point_to(switch, url, "bgp")
        browser.wait(lambda: browser.row(switch.name), "switch in the list")
    browser.check(browser.named("Export Usage to Cisco"), "no Actions for Selected once the empty list was refreshed")
    browser.go("SL Using Policy")
    browser.press("Export/Import All")
    browser.look("onprem-menu-export-import")
    browser.press("Export/Import All")

    def tick(name):
        box = browser.shown(f"//input[@aria-label='Tick {name}']")
        return box.is_selected() or box.click()
    browser.wait(lambda: tick("leaf-2"), "box at leaf-2")
    browser.look("onprem-list-selected")
    usage = browser.download("Export Usage to Cisco", "UD_SA_*.tar.gz")
    ack = through_cssm(browser, cssm, "Lab", usage)
    browser.open(tenant)
    browser.press("Export/Import All")
    browser.fill(Import_From_Cisco=ack)
    browser.go("Import From Cisco")
    browser.wait(lambda: browser.row(ack.name)["Status"] == "Done", "import that is done")
    browser.look("onprem-files")
    wait_for_ack(browser, switches[0])
    browser.go("SL Using Policy")
    browser.wait(lambda: "UTC" in browser.row("leaf-2")["Last ACK"], "Last ACK in the list")
    assert browser.row("leaf-3")["Last ACK"] == "never", "an ACK for what was not exported"
    browser.look("onprem-list")
    browser.go("Licenses")
    assert browser.row("LAN_ENTERPRISE_SERVICES_PKG")["In Use"] == "2", browser.text()
    browser.look("onprem-licenses")
    browser.go("Admin Workspace")
    browser.see("Support Center > System Logs")
    with zipfile.ZipFile(browser.download("Download All Logs", "AllFiles.zip")) as logs:
        messages = logs.read("messages").decode()
    assert "failed due to the following error: record not found." in messages, messages

    browser.look("onprem-admin")
    browser.go("People")
    browser.press("Add a Person")
    browser.fill(Login="eve", Password="only to look at", Role="viewer", Tenant="XYZ-ON-PREM-1")
    browser.go("Add Person")
    browser.see("eve is added.", "viewer of Tenant XYZ-ON-PREM-1")
    browser.look("onprem-person")
    browser.go("People")
    assert browser.row("XYZ-ON-PREM-1")["Login"] == "eve", browser.text()
    browser.look("onprem-people")
    browser.go("Log out")
    browser.log_in(tenant, "eve", "only to look at")
    browser.wait(lambda: browser.row("leaf-2"), "list")
    assert not re.search("Export|Import|Remove|Sync|Admin", browser.text()), browser.text()
    browser.look("onprem-list-viewer")
    for path in ("export", "sync", "remove", "preferences"):
        status = browser.driver.execute_async_script(
            "const [path, told] = arguments; fetch(path, { method: 'POST' }).then(a => told(a.status))",
            f"{tenant}/{path}")
        assert status == 403, (path, status)
    browser.driver.get_log("browser")  # The four refusals.
    browser.go("Preferences")
    assert not browser.named("Save")
    browser.look("onprem-preferences-viewer")
    browser.open(re.sub("tenants/.*", "admin", tenant))
    told(browser, "onprem-forbidden", "your role does not allow this", "Back")


def list_after_refresh(browser, lab, device_url):
    """A list that was refreshed works as it did before."""
    browser.go("Product Instances")
    switch = lab.start_switch("leaf-9")
    point_to(switch, device_url, "bgp")
    browser.wait(lambda: browser.row("leaf-9"), "switch in the list")
    browser.driver.find_element(By.CSS_SELECTOR, "input[data-selects]").click()
    boxes = browser.driver.find_elements(By.NAME, "ids")
    browser.check(all(box.is_selected() for box in boxes), "Select all selects nothing once the list was refreshed")


def told_in_words(browser, lab, cslu, password):
    """What goes wrong is told on a page with a way out, not in the language of programs."""
    browser.open(cslu)
    browser.go("Log out")
    browser.log_in(cslu, "admin", "wrong password")
    told(browser, "cslu-login-refused", "Login or password are wrong.", "Log in")
    browser.log_in(cslu, "admin", password)
    browser.press("Add")
    browser.fill(PID="N9K-C9504", Serial_Number="no serial number")
    browser.go("Add Product Instance")
    told(browser, "cslu-add-refused", "serial", "Add Product Instance")
    browser.open(cslu)
    browser.press("Data")
    browser.fill(Import_from_CSSM=lab.dir / "list.csv")
    browser.go("Import from CSSM")
    told(browser, "cslu-import-refused", "list.csv", "Data")
    browser.open(f"{cslu}/tenants/1/cisco")
    browser.fill(CCO_User_Name="admin", CCO_Password="wrong password")
    browser.go("Login to Cisco")
    told(browser, "cslu-login-to-cisco-refused", "CCO User Name or CCO Password are wrong", "Back")
    for path in ("tenants/99", "nowhere"):
        browser.open(f"{cslu}/{path}")
        told(browser, f"cslu-{path.replace('/', '-')}", "no such", "Back")


def one_host(browser, cssm, cslu, password):
    """Servers on one host, as in a lab, do not log people out of each other: cookies know no ports."""
    here = cssm.replace("cssm.localhost", "cslu.localhost")
    browser.log_in(here, "admin", password)
    browser.see("Virtual Accounts")
    browser.open(cslu)
    browser.check(browser.named("Log out"), "logging in to CSSM logged out of the CSLU on the same host")


def cssm_inventory(browser, lab, cssm):
    """What people do at CSSM's pages: tokens, product instances, licences, alerts (CSSM-009 to 015)."""
    browser.open(cssm)
    browser.go("Inventory")
    browser.see("Product Instances", "Showing")
    browser.look("cssm-product-instances")
    name = browser.driver.find_element(By.CSS_SELECTOR, "td a").text
    browser.fill(Search=name)
    browser.go("Search")
    browser.see("Showing 1 of 1 Record")
    browser.go("Name")
    browser.check("▲" in browser.text(), "the list does not say by what it is sorted")
    browser.go(name)
    browser.press("Actions")
    browser.see("License Usage", "Remove Product Instance")
    browser.look("cssm-product-instance")
    browser.go("Licenses")
    browser.see("Purchased", "Balance")
    browser.look("cssm-licenses")
    browser.go("General")
    # Where there is none the form is open.
    browser.see("No token yet", "New Token", "Create Registration Token")
    browser.look("cssm-general-empty")
    browser.type("description", "<b>back room</b>")
    # Without its own check the browser leaves it to the server.
    browser.driver.execute_script("document.querySelector('form.fields').noValidate = true")
    browser.type("expires_after_days", 900)
    browser.go("Create Token")
    browser.see("a token expires after 1 to 365 days")
    kept = browser.driver.find_element(By.NAME, "description").get_attribute("value")
    browser.check(kept == "<b>back room</b>", f"what was typed is lost: {kept!r}")
    browser.driver.get_log("browser")
    browser.type("expires_after_days", 90)
    browser.type("uses_max", 2)
    browser.go("Create Token")
    browser.see("The token is created.", "<b>back room</b>", "0 of 2", "valid")
    browser.look("cssm-general")
    file = browser.download("Download", "token-*.txt")
    token = next(iter(lab.call("GET", f"{lab.va}/tokens")))["value"]
    browser.check(file.read_text() == f"{token}\n", "the file holds another token")
    browser.driver.execute_script("window.confirm = () => true")
    browser.go("Revoke")
    browser.see("The token is revoked.", "revoked")
    # What is short is looked for at the start, and every five minutes then.
    lab.cssm.terminate()
    lab.cssm.wait()
    lab.start_cssm(lab.url.removeprefix("https://"))
    end = time.monotonic() + SECONDS
    while not lab.call("GET", "/smart-accounts/1/alerts"):
        assert time.monotonic() < end
        time.sleep(0.1)
    browser.go("Alerts")
    browser.see("shortage")
    browser.look("cssm-alerts")
    browser.see("As of")
    browser.go("Acknowledge")
    browser.see("Acknowledged: it stays open", "admin")
    browser.go("Settle")
    browser.see("Settled.")
    browser.go("Settled")
    browser.see("shortage")
    browser.go("Event Log")
    browser.see("alert (shortage)")
    browser.look("cssm-event-log")


def told(browser, name, text, way_out):
    shown = browser.text()
    fine = text in shown and browser.named(way_out)
    browser.check(fine, f"{name}: not told {text!r} with {way_out!r}: {shown[:200]}")
    browser.look(name)


def main():
    with Lab() as lab:
        lab.call("POST", "/smart-accounts/1/virtual-accounts", {"name": "Lab"})
        cssm_password = (lab.dir / "admin.password").read_text().strip()
        cslu, cslu_devices, cslu_password = lab.start_collector("cslu", "--device-listen", "127.0.0.1:0")
        prem, _, prem_password = lab.start_collector("onprem", "--host", "localhost")
        # Each has a host name of its own, as in a company: every name under localhost leads here.
        cslu, cssm, prem = (url.replace("127.0.0.1", f"{name}.localhost")
                            for name, url in [("cslu", cslu), ("cssm", lab.url), ("onprem", prem)])
        with Browser(lab) as browser:
            browser.open(cssm)
            browser.look("cssm-login")
            browser.log_in(cssm, "admin", cssm_password)
            browser.see("Virtual Accounts", "No license is in use")
            browser.look("cssm-overview-new")
            browser.go("Reports")
            browser.see("No usage data file yet.")
            browser.look("cssm-usage-files-empty")
            cslu_by_keyboard(browser, cslu, cslu_password)
            cslu_list(browser, lab)
            leaf = cslu_by_file(browser, lab, cssm, cslu_devices)
            cslu_connected(browser, leaf, cssm_password)
            list_after_refresh(browser, lab, cslu_devices)
            on_prem(browser, lab, cssm, prem, prem_password)
            told_in_words(browser, lab, cslu, cslu_password)
            cssm_inventory(browser, lab, cssm)
            one_host(browser, cssm, cslu, cssm_password)
            assert not browser.wrong, f"{len(browser.wrong)} things are wrong, see above"
    done("browser")


if __name__ == "__main__":
    main()
