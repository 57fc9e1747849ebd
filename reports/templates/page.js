/* What the page can do beyond being read: copy the command, and open what a link leads into. It works without. */
(() => {
  "use strict";
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.of).textContent;
      const said = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(text);
        said.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(document.getElementById(button.dataset.of));
        said.textContent = "Selected: copy it with your keyboard";
      }
      setTimeout(() => { said.textContent = ""; }, 4000);
    });
  }
  const named = () => {
    try {
      return decodeURIComponent(location.hash.slice(1));
    } catch {
      return ""; // `#%` is the name of nothing.
    }
  };
  const open = () => {
    const target = document.getElementById(named());
    if (!target) return;
    for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  if (location.hash) open();
})();
