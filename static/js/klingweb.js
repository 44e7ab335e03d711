// What the pages do beyond links and forms. Everything works without it; htmx swaps what the server sends.

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const on = (event, act) => document.addEventListener(event, act);
const phone = matchMedia("(width < 45rem)");
const typing = (element) => element.matches("input:not([type=radio], [type=checkbox]), textarea, select");

// -- Times, in the reader's own zone; the cookie tells the server for the next page ------------------------------------

const FORMATS = {
  time: { hour: "2-digit", minute: "2-digit" },
  seconds: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "long" },
  full: { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" },
};

function tellTime(element) {
  const said = new Intl.DateTimeFormat("en-GB", FORMATS[element.dataset.as]).format(new Date(element.dateTime));
  element.textContent = said.replace(" at ", " ").replace(",", "");
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;

// -- Running generations: seconds that tick, and what is said when it takes long --------------------------------------

function inWords(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const begun = new WeakMap();

function tick(element) {
  if (!begun.has(element)) begun.set(element, performance.now() - element.dataset.elapsed * 1000);
  const seconds = Math.floor((performance.now() - begun.get(element)) / 1000);
  element.textContent = inWords(seconds);
  if (seconds <= element.dataset.late) return;
  const card = element.closest("[data-generation]");
  card.classList.add("is-late");
  for (const sentence of all("[data-in-time]", card)) sentence.hidden = true;
  for (const sentence of all("[data-too-late]", card)) sentence.hidden = false;
}

setInterval(() => all("[data-elapsed]").forEach(tick), 1000);

function showCount() {
  const busy = one("#busy");
  if (!busy) return;
  const count = Number(busy.dataset.running);
  document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
}

// On a phone: the newest result in one line above the button.
function showNewest() {
  const line = one("#newest");
  const card = one("#gens > .gen");
  if (!line || !card) return;
  const pictures = all(".shot", card).slice(0, 4).map((shot) => {
    const picture = one("img", shot)?.cloneNode() ?? document.createElement("i");
    picture.className = `${picture.matches("i") ? "shot-wait " : ""}${one(".shots", card).classList[2]}`;
    if (picture.alt) picture.alt = "";
    return picture;
  });
  const strip = document.createElement("span");
  strip.className = "newest-pics";
  if (card.classList.contains("is-running")) strip.classList.add("is-running");
  strip.append(...pictures);
  const words = document.createElement("span");
  words.textContent = one(".gen-now", card)?.innerText.replace("\n", " ") ?? one(".note strong", card)?.textContent ?? "Newest result";
  line.replaceChildren(strip, words);
  line.hidden = false;
}

// -- The form on Create ------------------------------------------------------------------------------------------------

function count(field) {
  const said = document.getElementById(`${field.id}-hint`);
  const length = field.value.trim().length;
  said.textContent = `${length.toLocaleString("en")} of ${Number(field.dataset.limit).toLocaleString("en")}`;
  said.classList.toggle("too-long", length > field.dataset.limit);
}

function write(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

let walked = [];
let step = 0;

function walk(field, by) {
  if (walked[step] !== field.value) {
    const earlier = all("#gens .gen-prompt a").map((link) => link.textContent);
    walked = [...new Set([field.value, ...earlier])];
    step = 0;
  }
  const next = step + by;
  if (next < 0 || next >= walked.length) return;
  step = next;
  write(field, walked[step]);
}

on("input", ({ target }) => {
  if (target.dataset.limit) count(target);
});

on("click", (event) => {
  const button = event.target.closest("[data-step], [data-example], [data-earlier], [data-copy], [data-copy-field], [data-shortcuts]");
  if (!button) return;
  const { step: by, example, earlier, copy, copyField, shortcuts } = button.dataset;
  const prompt = one(".prompt textarea");
  if (by) {
    const field = document.getElementById(button.getAttribute("aria-controls"));
    const before = field.value;
    if (by > 0) field.stepUp();
    else field.stepDown();
    if (field.value !== before) field.dispatchEvent(new Event("change", { bubbles: true }));
  } else if (example !== undefined && prompt) {
    event.preventDefault();
    write(prompt, new URL(button.href).searchParams.get("prompt"));
  } else if (earlier !== undefined) walk(prompt, 1);
  else if (shortcuts !== undefined) one("#shortcuts").showModal();
  else if (copy !== undefined || copyField) copyText(button, copy ?? document.getElementById(copyField).value);
});

async function copyText(button, text) {
  await navigator.clipboard.writeText(text.trim());
  say("Copied.");
  button.focus();
}

function say(sentence) {
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.textContent = sentence;
  one("#toasts").append(toast);
  setTimeout(() => toast.remove(), 10_000);
}

// -- What the server sends is put in place without taking anything away from the reader --------------------------------

let kept = { open: new Map(), values: new Map(), arrived: [], focus: null };

function remember(target, sent) {
  const active = document.activeElement;
  kept = { open: new Map(), values: new Map(), arrived: [], focus: target.contains(active) && active.id ? active : null };
  for (const fold of all("details[id]", target)) kept.open.set(fold.id, fold.open);
  kept.arrived = all("input[type=file]", target).filter((field) => sent.get(field.name)?.size).map((field) => field.id);
  for (const field of all("input:not([type=hidden], [type=file]), select, textarea", target)) {
    const asked = sent.get(field.name)?.replaceAll("\r", "") ?? null;
    if (field.type === "checkbox") {
      if (field.checked !== (asked !== null)) kept.values.set(field.id, field.checked);
    } else if (field.type === "radio") {
      if (field.checked && field.value !== asked) kept.values.set(field.id, true);
    } else if (field.value !== asked) kept.values.set(field.id, field.value);
  }
}

function recall() {
  for (const [id, open] of kept.open) {
    const fold = document.getElementById(id);
    if (fold && !one("[aria-invalid]", fold)) fold.open = open;
  }
  for (const id of kept.arrived) {  // a file input outlives the swap, since its dialog may be open; what came is not sent twice
    const field = document.getElementById(id);
    if (field) field.value = "";
  }
  for (const [id, value] of kept.values) {
    const field = document.getElementById(id);
    if (typeof value === "boolean") {
      if (field) field.checked = value;
    } else if (field?.options ? [...field.options].some((option) => option.value === value) : field) field.value = value;
  }
  const field = kept.focus && !one("[autofocus]") && document.getElementById(kept.focus.id);
  if (field && field !== document.activeElement) {
    field.focus({ preventScroll: true });
    if (kept.focus.matches("textarea")) field.setSelectionRange(kept.focus.selectionStart, kept.focus.selectionEnd);
  }
  kept = { open: new Map(), values: new Map(), arrived: [], focus: null };
}

// What was chosen or typed while the answer was on its way wins over the answer.
on("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.matches("#fields, #create")) remember(detail.target, detail.requestConfig.formData);
});
on("htmx:afterSwap", recall);

// A card that has not changed stays as it is, with its focus and its open details.
on("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const fresh = fragment.firstElementChild;
  if (fresh?.dataset.changed && fresh.dataset.changed === target.dataset.changed) event.detail.shouldSwap = false;
});

on("htmx:beforeRequest", (event) => {
  if (event.target.id === "live" && document.hidden) event.preventDefault();
});

on("htmx:responseError", ({ detail, target }) => {
  if (target.id !== "live") say(`That did not work (${detail.xhr.status}). Nothing was lost here: reload the page and try again.`);
});

on("htmx:sendError", ({ target }) => {
  if (target.id !== "live") say("The server cannot be reached. Nothing was sent: try again in a moment.");
});

on("htmx:load", ({ detail: { elt } }) => {
  all("[data-as]", elt).forEach(tellTime);
  all("[data-elapsed]", elt).forEach(tick);
  all("[data-limit]", elt).forEach(count);
  for (const button of all("[data-step], [data-earlier], [data-shortcuts]", elt)) button.hidden = false;
  if (navigator.clipboard) for (const button of all("[data-copy], [data-copy-field]", elt)) button.hidden = false;
  showCount();
  showNewest();
});

function fold() {
  const settings = one("#settings");
  if (settings) settings.open = !phone.matches || Boolean(one("[aria-invalid]", settings));
}
phone.addEventListener("change", fold);
on("DOMContentLoaded", fold);

// A picture leads to its large view; with a modifier key, or without this script, to its original.
on("click", (event) => {
  const picture = event.target.closest("a[data-view]");
  if (!picture || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  location.assign(picture.dataset.view);
});

// -- References: dropped, pasted, or a picture that was made here -------------------------------------------------------

let waiting = null;

function place(files) {
  const slot = one("#create [data-slot] input[type=file]");
  if (slot) {
    slot.files = files;
    slot.dispatchEvent(new Event("change", { bubbles: true }));
    return;
  }
  const chooser = one("#create [name=operation]");
  if (!chooser || !one("#create").dataset.pictureOperation) return;
  waiting = files;
  chooser.value = one("#create").dataset.pictureOperation;
  chooser.dispatchEvent(new Event("change", { bubbles: true }));
}

on("htmx:afterSwap", () => {
  if (!waiting || !one("#create [data-slot]")) return;
  const files = waiting;
  waiting = null;
  place(files);
});

const pictures = (transfer) => [...(transfer?.files ?? [])].some((file) => file.type.startsWith("image/"));

on("paste", (event) => {
  if (!one("#create") || !pictures(event.clipboardData)) return;
  event.preventDefault();
  place(event.clipboardData.files);
});

on("dragover", (event) => {
  const over = event.target.closest?.("#create");
  if (!over || ![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  for (const drop of all("[data-drop]", over)) drop.classList.add("over");
});

for (const end of ["dragleave", "drop"]) on(end, () => all("[data-drop].over").forEach((drop) => drop.classList.remove("over")));

on("drop", (event) => {
  if (!event.target.closest?.("#create") || !pictures(event.dataTransfer)) return;
  event.preventDefault();
  place(event.dataTransfer.files);
});

// On Create the form keeps what was typed and only takes the picture in; elsewhere the button opens Create with it.
on("submit", (event) => {
  const form = one("#create[data-picture-operation]");
  const { useImage } = event.target.dataset;
  if (!useImage || !form) return;
  event.preventDefault();
  const values = { refresh: "1", operation: form.dataset.pictureOperation, [`${form.dataset.pictureField}__image`]: useImage };
  htmx.ajax("POST", form.action, { source: form, target: "#fields", swap: "innerHTML", values });
});

// -- Keys --------------------------------------------------------------------------------------------------------------

const KEYS = { ArrowLeft: "#previous", ArrowRight: "#next", d: "#download", r: "#use-settings", Escape: "#back", "?": "[data-shortcuts]" };

on("keydown", (event) => {
  const { key, target } = event;
  const form = target.closest?.("#create");
  if (key === "Enter" && (event.ctrlKey || event.metaKey) && form) {
    event.preventDefault();
    const go = one("#go");
    if (!go.disabled) form.requestSubmit(go);
    return;
  }
  if (event.altKey && (key === "ArrowUp" || key === "ArrowDown") && target.matches(".prompt textarea")) {
    event.preventDefault();
    walk(target, key === "ArrowUp" ? 1 : -1);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(target) || one("dialog[open], :popover-open")) return;
  const button = one(KEYS[key] ?? KEYS[key.toLowerCase()] ?? "#none");
  if (!button || (key.startsWith("Arrow") && target.matches("input"))) return;
  event.preventDefault();
  button.click();
});
