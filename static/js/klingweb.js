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

function age(element) {
  if (!begun.has(element)) begun.set(element, performance.now() - (element.dataset.elapsed ?? 0) * 1000);
  return (performance.now() - begun.get(element)) / 1000;
}

function tick(element) {
  const seconds = Math.floor(age(element));
  element.textContent = inWords(seconds);
  if (seconds <= element.dataset.late) return;
  const card = element.closest("[data-generation]");
  card.classList.add("is-late");
  for (const sentence of all("[data-in-time]", card)) sentence.hidden = true;
  for (const sentence of all("[data-too-late]", card)) sentence.hidden = false;
}

setInterval(() => all("[data-elapsed]").forEach(tick), 1000);

// A page asks each second, and more often while a picture is expected any moment, unless very many are being made.
let asked = 0;

function isExpected(element) {
  const [from, until] = element.dataset.soon.split(" ");
  return age(element) >= from && age(element) < until;
}

setInterval(() => {
  const every = Number(one("#live")?.dataset.hurry);
  if (every && performance.now() - asked >= every - 50 && all("[data-soon]").some(isExpected)) htmx.trigger("#live", "soon");
}, 250);

function showCount() {
  const busy = one("#busy");
  if (!busy) return;
  const count = Number(busy.dataset.running);
  document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
}

// -- The queue: a panel of every page, that is asked for when it opens; without this script it is a page ----------------

on("DOMContentLoaded", () => {
  if (!one("#queue-panel")) return;
  for (const button of all("[popovertarget=queue-panel]")) {
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
  }
});

document.addEventListener("toggle", ({ target, newState }) => {
  if (target.id !== "queue-panel") return;
  const opened = newState === "open";
  for (const button of all("[popovertarget=queue-panel]")) button.setAttribute("aria-expanded", opened);
  if (opened) htmx.trigger("#queue-in", "opened");
  else one("#queue-in").replaceChildren();
}, true);

// What comes after it was closed is not put in. A row that goes takes its buttons along: the reader stays in the panel.
let inQueue = false;
for (const event of ["htmx:beforeSwap", "htmx:oobBeforeSwap"]) {
  on(event, ({ detail }) => {
    if (detail.target.id !== "queue-in") return;
    if (one("#queue-panel:not(:popover-open)")) detail.shouldSwap = false;
    inQueue = detail.target.contains(document.activeElement);
  });
}
on("htmx:oobAfterSwap", ({ detail }) => {
  if (inQueue && detail.target.id === "queue-in") setTimeout(() => document.activeElement === document.body && one("#queue-title").focus());
});

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
  const button = event.target.closest("[data-step], [data-example], [data-earlier], [data-copy], [data-copy-field], [data-shortcuts], [data-cite], [data-shape]");
  if (!button) return;
  const { step: by, example, earlier, copy, copyField, shortcuts, cite: citation, into, shape } = button.dataset;
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
  else if (citation) cite(document.getElementById(into), citation);
  else if (shape) {
    goal = shape;
    grow();
  }
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
  kept = { open: new Map(), values: new Map(), arrived: [], focus: target.contains(active) && active.id ? active : null, sent: target.id === "create" };
  for (const fold of all("details[id]", target)) kept.open.set(fold.id, fold.open);
  kept.arrived = all("input[type=file]", target).filter((field) => sent.get(field.name)?.size).map((field) => field.id);
  for (const field of all("input:not([type=hidden], [type=file]), select, textarea", target)) {
    const asked = sent.getAll(field.name).map((value) => String(value).replaceAll("\r", ""));
    if (field.type === "checkbox") {
      if (field.checked !== asked.includes(field.value)) kept.values.set(field.id, field.checked);
    } else if (field.type === "radio") {
      if (field.checked && !asked.includes(field.value)) kept.values.set(field.id, true);
    } else if (!asked.includes(field.value)) kept.values.set(field.id, field.value);
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
  const wrong = kept.sent && one("[data-slot][aria-invalid] input[type=file]");
  const field = !one("[autofocus]") && (wrong || (kept.focus && heir(kept.focus)));
  if (field && field !== document.activeElement) {
    field.focus({ preventScroll: true });
    if (field.matches("textarea")) field.setSelectionRange(kept.focus.selectionStart, kept.focus.selectionEnd);
  }
  kept = { open: new Map(), values: new Map(), arrived: [], focus: null };
}

// What takes over the focus: a picture that goes or moves takes its buttons along.
function heir(element) {
  const ids = element.dataset.then?.split(" ") ?? [element.id];
  return ids.map((id) => document.getElementById(id)).find(Boolean);
}

// What was chosen or typed while the answer was on its way wins over the answer.
on("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.matches("#fields, #create")) remember(detail.target, detail.requestConfig.formData);
});
on("htmx:afterSwap", recall);

// A card that has not changed stays as it is, with its focus and its open details. So does one that has asked for
// something itself: the answer to that finds its place by it.
let answered = null;
on("htmx:beforeOnLoad", ({ target }) => { answered = target; });

on("htmx:oobBeforeSwap", ({ detail }) => {
  const { target, fragment } = detail;
  const fresh = fragment.firstElementChild;
  if (fresh?.dataset.changed && fresh.dataset.changed === target.dataset.changed) detail.shouldSwap = false;
  if (all(".htmx-request", target).some((each) => each !== answered)) detail.shouldSwap = false;
  if (target.id === "live") target.addEventListener("htmx:beforeSwap", dropLate);
});

// What this one had asked is asked anew by what takes its place.
function dropLate({ detail }) {
  detail.shouldSwap = false;
}

on("htmx:beforeRequest", (event) => {
  if (event.target.id !== "live") return;
  if (document.hidden) event.preventDefault();
  asked = performance.now();
});

// Addresses have an end, at eight kilobytes behind some proxies: a page asks about the oldest, which end first.
on("htmx:configRequest", ({ detail, target }) => {
  if (target.id !== "live") return;
  const named = detail.formData.getAll("g").slice(-100);
  detail.formData.delete("g");
  for (const each of named) detail.formData.append("g", each);
});

on("htmx:responseError", ({ detail, target }) => {
  if (target.id === "live") return;
  if (detail.xhr.status === 503) say("The database does not answer. Send the same form again in a minute: if it did arrive, it is not made twice.");
  else say(`That did not work (${detail.xhr.status}). Nothing was lost here: reload the page and try again.`);
});

on("htmx:sendError", ({ target }) => {
  if (target.id !== "live") say("The server cannot be reached. Nothing was sent: try again in a moment.");
});

on("htmx:load", ({ detail: { elt } }) => {
  all("[data-as]", elt).forEach(tellTime);
  all("[data-elapsed]", elt).forEach(tick);
  all("[data-limit]", elt).forEach(count);
  for (const button of all("[data-step], [data-earlier], [data-shortcuts]", elt)) button.hidden = false;
  for (const button of all("[data-cite]", elt)) button.disabled = false;
  for (const field of all("[data-row] input[type=file]")) field.multiple = true;
  for (const help of all("[data-help]")) document.getElementById(help.dataset.help).placeholder = help.textContent;
  all("[data-mirror]").forEach(mirror);
  drawCanvas();
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

// -- References: dropped, pasted, chosen, or a picture that was made here ----------------------------------------------

let waiting = [];  // files that are sent one after another, each to the next empty slot

const emptySlot = () => all("#create [data-slot]").find((slot) => !one("[name$=__asset]", slot));

// Where a picture goes that comes without a place: the first empty slot, or the only one.
function freeSlot() {
  const slots = all("#create [data-slot]");
  const free = emptySlot() ?? (slots.length === 1 ? slots[0] : null);
  if (slots.length && !free) say("Every place for a picture is taken. Remove one first.");
  return { free, full: slots.length > 0 && !free };
}

function put([file, ...others], slot) {
  const field = one("input[type=file]", slot);
  const transfer = new DataTransfer();
  transfer.items.add(file);
  field.files = transfer.files;
  waiting = others;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

function place(files, wanted) {
  const { free, full } = wanted ? { free: wanted } : freeSlot();
  const chooser = one("#create [name=operation]");
  if (free) put(files, free);
  else if (!full && chooser && one("#create").dataset.pictureOperation) {
    waiting = files;
    chooser.value = one("#create").dataset.pictureOperation;
    chooser.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

on("htmx:afterSwap", ({ detail }) => {
  if (!waiting.length || detail.target.id !== "fields") return;
  const [files, slot] = [waiting, emptySlot()];
  waiting = [];
  if (slot && !one("#fields [data-slot][aria-invalid]")) put(files, slot);
  else say(`${files.length === 1 ? "One picture was" : `${files.length} pictures were`} not taken in.`);
});

document.addEventListener("change", (event) => {
  if (!(event.target.files?.length > 1)) return;
  event.stopPropagation();
  put([...event.target.files], event.target.closest("[data-slot]"));
}, true);

const pictures = (transfer) => [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));

on("paste", (event) => {
  const files = pictures(event.clipboardData);
  if (!one("#create") || !files.length) return;
  event.preventDefault();
  place(files);
});

on("dragover", (event) => {
  const over = event.target.closest?.("#create");
  if (!over || ![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  const slots = all("[data-slot]", over);
  const slot = event.target.closest("[data-slot]") ?? emptySlot() ?? slots[0];
  for (const each of slots) each.classList.toggle("over", each === slot);
});

for (const end of ["dragleave", "drop"]) on(end, () => all("[data-slot].over").forEach((slot) => slot.classList.remove("over")));

on("drop", (event) => {
  const files = pictures(event.dataTransfer);
  if (!event.target.closest?.("#create") || !files.length) return;
  event.preventDefault();
  place(files, event.target.closest("[data-slot]"));
});

// On Create the form keeps what was typed and only takes the picture in; elsewhere the button opens Create with it.
on("submit", (event) => {
  const form = one("#create[data-picture-operation]");
  const { useImage } = event.target.dataset;
  if (!useImage || !form) return;
  event.preventDefault();
  const { free, full } = freeSlot();
  if (full) return;
  const field = free ? one("input[type=file]", free).name : form.dataset.pictureField;
  const values = { refresh: "1", [`${field}__image`]: useImage };
  if (!free) values.operation = form.dataset.pictureOperation;
  htmx.ajax("POST", form.action, { source: form, target: "#fields", swap: "innerHTML", values });
});

// -- What the text cites: put in where the caret is, at its end before one has been in it -------------------------------

const visited = new WeakSet();
on("focusin", ({ target }) => visited.add(target));

function cite(field, citation) {
  const at = visited.has(field) ? field.selectionStart : field.value.length;
  const space = /\S$/.test(field.value.slice(0, at)) ? " " : "";
  field.setRangeText(space + citation, at, Math.max(at, field.selectionEnd), "end");
  write(field, field.value);
}

// -- Strengths: the slider follows the number, and the number the slider; an empty number stays empty -------------------

function mirror(slider) {
  const field = document.getElementById(slider.dataset.mirror);
  slider.hidden = false;
  slider.value = field.value || (Number(slider.min) + Number(slider.max)) / 2;
  slider.classList.toggle("unset", !field.value);
  fill(slider);
}

// It has no id: htmx would copy its style, which the content security policy forbids.
function fill(slider) {
  slider.style.setProperty("--v", `${((slider.value - slider.min) / (slider.max - slider.min)) * 100}%`);
}

on("input", ({ target }) => {
  if (target.dataset.mirror) document.getElementById(target.dataset.mirror).value = target.value;
  const slider = target.dataset.mirror ? target : one(`[data-mirror="${target.id}"]`);
  if (slider) mirror(slider);
});

// -- A larger canvas: drawn as it will be, with shapes that set its four numbers ----------------------------------------

// The shape that was asked for last, and how large it may make the picture.
let goal = "";
let growth = "2";

const figure = (number) => Number(number.toFixed(2)).toLocaleString("en");

function drawCanvas() {
  const canvas = one("#canvas");
  if (!canvas) return block("");
  const { factor, width = 0, height = 0 } = canvas.dataset;
  const [up, down, left, right] = ["up", "down", "left", "right"].map((side) => Number(one(`[data-side=${side}]`, canvas).value) || 0);
  const area = (1 + up + down) * (1 + left + right);
  const over = factor && area > Number(factor) + 1e-9;
  one("#canvas-area").textContent = `${figure(area)} × the picture, at most ${figure(Number(factor))} ×`;
  canvas.classList.toggle("too-large", Boolean(over));
  block(over ? `The new picture would be ${area.toFixed(2)} times the old one. Make it at most ${figure(Number(factor))} times.` : "");
  const picture = one("image", canvas);
  if (!picture) return;
  one("svg", canvas).setAttribute("viewBox", `0 0 ${width * (1 + left + right)} ${height * (1 + up + down)}`);
  for (const [name, value] of Object.entries({ x: width * left, y: height * up, width, height })) picture.setAttribute(name, value);
  const slider = one("[data-growth]", canvas);
  slider.value = growth;
  one(".canvas-help", canvas).hidden = false;
  one("output", slider.parentElement).textContent = `${figure(Number(slider.value))} ×`;
  fill(slider);
}

function block(sentence) {
  const go = one("#go");
  if (!go) return;
  if (one("#blocked").textContent !== sentence) one("#blocked").textContent = sentence;
  if (one("#why-not")) return;
  go.disabled = Boolean(sentence);
  if (sentence) go.setAttribute("aria-describedby", "blocked");
  else go.removeAttribute("aria-describedby");
}

// As the makers of the models reckon: of all canvases of `area` times the picture, the one with this shape. It never cuts anything off.
function grown(ratio, area, width, height) {
  const tall = Math.sqrt((area * width * height) / ratio);
  const wide = tall * ratio;
  if (tall < height) return [height, area * width];
  return wide < width ? [area * height, width] : [tall, wide];
}

function grow() {
  const canvas = one("#canvas");
  const [width, height, factor] = [canvas.dataset.width, canvas.dataset.height, canvas.dataset.factor].map(Number);
  const [wide, tall] = goal.split(":").map(Number);
  const area = Number(growth);
  const [newHeight, newWidth] = grown(wide / tall, area, width, height);
  const sides = { up: (newHeight - height) / 2 / height, left: (newWidth - width) / 2 / width };
  for (const [side, other] of [["up", "down"], ["left", "right"]]) {
    for (const each of [side, other]) {
      const field = one(`[data-side=${each}]`, canvas);
      field.value = Math.min(Math.floor(sides[side] * 1e4 + 1e-6) / 1e4, field.max);
    }
  }
  const least = Math.max((wide / tall) * (height / width), (tall / wide) * (width / height));
  const takes = figure(Math.ceil(least * 100) / 100);
  if (least <= area + 1e-9) one("#canvas-said").textContent = "";
  else if (least > factor) one("#canvas-said").textContent = `${goal} cannot be reached from this picture: it takes ${takes} ×.`;
  else one("#canvas-said").textContent = `${goal} takes at least ${takes} ×: this is as near as it gets.`;
  drawCanvas();
}

on("input", ({ target }) => {
  if (!target.closest("#canvas")) return;
  if ("growth" in target.dataset) growth = target.value;
  else goal = "";
  if (goal) grow();
  else drawCanvas();
});

// The slider for the shapes is nothing that the server asks for.
document.addEventListener("change", (event) => {
  if ("growth" in (event.target.dataset ?? {})) event.stopPropagation();
}, true);

// -- Keys --------------------------------------------------------------------------------------------------------------

const KEYS = { ArrowLeft: "#previous", ArrowRight: "#next", d: "#download", r: "#use-settings", Escape: "#back", "?": "[data-shortcuts]", q: `#queue-${phone.matches ? "tab" : "button"}` };

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
