// Looks every two seconds, and changes what has changed.
const live = document.getElementById("live");
const fresh = document.getElementById("fresh");
let shown = "";

async function look() {
  try {
    const answer = await fetch("/part", { cache: "no-store" });
    const text = await answer.text();
    if (text !== shown) {
      const open = document.activeElement;
      // Whoever is on something with the keyboard stays there.
      const path = open && live.contains(open) ? open.getAttribute("href") : null;
      const within = path && open.closest("section, .wide, .narrow");
      const inside = within ? (within.id ? `#${CSS.escape(within.id)}` : `.${within.className}`) : "";
      live.innerHTML = text;
      if (path) live.querySelector(`${inside} a[href="${CSS.escape(path)}"]`)?.focus({ preventScroll: true });
      shown = text;
    }
    say("Looks by itself every 2 seconds.");
  } catch {
    say("The lab's page does not answer: it may be down.");
  }
}

function say(text) {
  if (fresh.textContent !== text) fresh.textContent = text;
}

setInterval(() => { if (!document.hidden) look(); }, 2000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
look();
