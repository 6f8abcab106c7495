// Parts of a page that change while work goes on are fetched anew; forms that send a file show how far it is.
"use strict";

async function refresh(part) {
  const answer = await fetch(part.dataset.refresh, { headers: { "x-part": part.id } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = fresh.getElementById(part.id);
  // What someone is working in is left alone.
  if (found && !part.contains(document.activeElement) && !part.querySelector(":checked") && found.innerHTML !== part.innerHTML) {
    part.innerHTML = found.innerHTML;
    part.dataset.every = found.dataset.every || "";
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  const tick = async () => {
    if (part.dataset.every && part.isConnected) {
      if (!document.hidden) await refresh(part).catch(() => {});
      setTimeout(tick, 1000 * Number(part.dataset.every || 5));
    }
  };
  if (part.dataset.every) setTimeout(tick, 1000 * Number(part.dataset.every));
}

for (const form of document.querySelectorAll("form[enctype='multipart/form-data']")) {
  form.addEventListener("submit", (event) => {
    const bar = form.querySelector("progress");
    if (!bar) return;
    event.preventDefault();
    bar.hidden = false;
    const request = new XMLHttpRequest();
    request.upload.onprogress = (told) => {
      if (told.lengthComputable) { bar.max = told.total; bar.value = told.loaded; }
    };
    request.onload = () => {
      if (request.status < 400) {
        location.assign(request.responseURL || location.href);
        return;
      }
      document.open();
      document.write(request.responseText);
      document.close();
    };
    request.onerror = () => { bar.hidden = true; form.submit(); };
    request.open("POST", form.getAttribute("action"));
    // What is said on the next page is for whoever reads it, not for this request.
    request.setRequestHeader("x-part", "none");
    request.send(new FormData(form));
  });
}

// What is inside a part comes and goes: its events are caught above it.
document.addEventListener("change", (event) => {
  const toggle = event.target.closest("input[data-on]");
  if (toggle) toggle.parentElement.querySelector("strong").textContent = toggle.checked ? toggle.dataset.on : toggle.dataset.off;
  const all = event.target.closest("input[data-selects]");
  if (!all) return;
  for (const box of document.querySelectorAll(`input[name='${all.dataset.selects}']`)) box.checked = all.checked;
});

// A menu closes when something else is pressed, and by Escape.
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest("details.menu[open]");
  closeMenus(null);
  if (menu) menu.querySelector("summary").focus();
});

document.addEventListener("click", async (event) => {
  closeMenus(event.target);
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    copy.textContent = "Copied";
  }
  const ask = event.target.closest("button[data-confirm]");
  if (ask && !window.confirm(ask.dataset.confirm)) event.preventDefault();
});
