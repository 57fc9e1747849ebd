// A room's messages. Of a long history only a window is in the document, so that ten thousand messages cost no more
// than three hundred; the window moves as one scrolls, and what one looks at stays where it is.
//
//   messages  0 ........ low ======== high ........ length
//                        ^ in the document ^
//
// While the window reaches the end and the reader is there too, the log follows: new messages push old ones up and
// the oldest out. A reader who has scrolled up is left in peace; a pill counts what has come and leads back.

import { h, icon, reconcile, setText, still } from "./dom.js";
import { counted } from "./format.js";
import { rowElement } from "./message_row.js";
import { keyOf, readersBySeq, rowsOf } from "./rows.js";

const AT_FIRST = 100; // Messages that are put in at first and after a jump.
const STEP = 50; // By which the window grows when one comes near its edge.
const MOST = 260; // In the document at once.
const NEAR_PX = 900; // This near an edge the window grows.
const END_PX = 48; // This near the end one counts as being there.
const SETTLED_MS = 400; // So long a region must be still before new rows are read out again.
const AGAIN_MS = 2_000; // After older messages were asked for in vain.
const MOST_READ_OUT = 5; // Messages at once; more than that is catching up, of which one is told the count.
const CAUGHT_UP = new Set(["caught-up", "gap"]);
const JUMP_PAGE = 1_000; // Older messages that are fetched at once for a jump; of these
const MOST_PAGES = 20; // there are so many at most.

export class MessageLog {
  #client;
  #room;
  #onReply;
  #scroller = h("div", { class: "log-scroll", role: "log", tabindex: "0", "aria-relevant": "additions" });
  #rows = h("div", { class: "rows" });
  #top = h("p", { class: "log-top" });
  #pill;
  #shown = new Map();
  #first = null; // The key of the window's first message; null before anything is shown.
  #last = null; // The key of its last one; null while the window reaches the end.
  #away = null; // The key of the last message there was when the reader left the end; null while there.
  #fresh; // The seq behind which messages were unread when the log was opened, or null.
  #pendingCount = 0;
  #loading = false;
  #failed = false; // Whether older messages were asked for in vain.
  #scheduled = 0;
  #settling = 0;
  #again = 0;
  #stop = new AbortController();

  /** Show a room in an element, until `destroy`. `onReply(message)` is called when one wants to answer. */
  constructor(element, client, room, { onReply = () => {}, label = `Messages in ${room}` } = {}) {
    this.#client = client;
    this.#room = room;
    this.#onReply = onReply;
    const state = this.#state;
    this.#fresh = state?.unread > 0 ? state.readSeq : null;
    this.#pill = h("button", { class: "pill", hidden: true, onclick: () => this.toLatest() });
    this.#scroller.setAttribute("aria-label", label);
    this.#scroller.append(this.#top, this.#rows);
    this.element = h("div", { class: "log" }, this.#scroller, this.#pill);
    element.append(this.element);
    this.#listen();
    this.#draw();
    this.#toFresh();
  }

  destroy() {
    this.#stop.abort();
    cancelAnimationFrame(this.#scheduled);
    clearTimeout(this.#settling);
    clearTimeout(this.#again);
    this.element.remove();
  }

  /** Go to the end, and follow it again. */
  toLatest({ smooth = !still() } = {}) {
    const jump = this.#last !== null;
    this.#last = this.#away = null;
    if (jump) this.#first = null;
    this.#draw();
    if (smooth && !jump) this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: "smooth" });
    else this.#toEnd();
  }

  /** Show one message and mark it for a moment; older history is fetched for that. Returns whether it is there. */
  async jumpTo({ epoch, seq }) {
    const place = () => this.#messages.findIndex((m) => m.seq === seq && (!epoch || m.epoch === epoch));
    for (let page = 0; place() < 0 && this.#state?.hasOlder && page < MOST_PAGES; page += 1) {
      const came = await this.#client.loadOlder(this.#room, { limit: JUMP_PAGE }).catch(() => 0);
      if (came === 0 || this.#stop.signal.aborted) return false;
    }
    const at = place();
    if (at < 0) return false;
    this.#show(at);
    return true;
  }

  /** Begin with what is new where that is more than one screen. */
  #toFresh() {
    const element = this.#shown.get(`fresh:${this.#fresh}`)?.element;
    if (element && element.offsetTop < this.#scroller.scrollTop) this.#scroller.scrollTop = element.offsetTop;
  }

  focus() {
    this.#scroller.focus({ preventScroll: true });
  }

  get #state() {
    return this.#client.rooms.get(this.#room);
  }

  get #messages() {
    return this.#state?.messages ?? [];
  }

  #listen() {
    const { signal } = this.#stop;
    this.#client.addEventListener("room", (event) => this.#changed(event), { signal });
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { signal, passive: true });
    this.#rows.addEventListener("click", (event) => this.#clicked(event), { signal });
    this.#rows.addEventListener("focusin", ({ target }) => target.matches(".message") && describe(target), { signal });
    this.#scroller.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    addEventListener("focus", () => this.#markRead(), { signal });
    document.addEventListener("visibilitychange", () => this.#markRead(), { signal });
    // A log that grows or shrinks, with its composer or a keyboard on glass, keeps its end where it was.
    const sizes = new ResizeObserver(() => this.#following && this.#toEnd());
    sizes.observe(this.#scroller);
    signal.addEventListener("abort", () => sizes.disconnect());
  }

  #changed(event) {
    if (event.detail?.room !== undefined && event.detail.room !== this.#room) return;
    if (event.detail?.what?.has("joined")) this.#failed = false; // Another connection may have what this one had not.
    this.#scheduled ||= requestAnimationFrame(() => {
      this.#scheduled = 0;
      this.#draw();
    });
  }

  get #following() {
    return this.#last === null && this.#away === null;
  }

  // --- the window -----------------------------------------------------------------------------------------------

  #draw() {
    const state = this.#state;
    const sent = (state?.pending.length ?? 0) > this.#pendingCount;
    this.#pendingCount = state?.pending.length ?? 0;
    if (sent && !this.#following) this.#first = this.#last = this.#away = null; // Who sends wants to see it.
    const { low, high } = this.#window();
    this.#redraw(low, high);
    this.#markRead();
    if (this.#scroller.clientHeight >= this.#scroller.scrollHeight) this.#fillUp(low);
  }

  /** Where there is nothing to scroll yet, what lies before is shown, or asked for, without being scrolled to. */
  #fillUp(low) {
    if (low > 0) this.#grow(Math.max(0, low - STEP), null);
    else if (!this.#failed) this.#older();
  }

  /** The window's bounds now: its messages may have moved, since others come before and behind them. */
  #window() {
    const { length } = this.#messages;
    const high = this.#last === null ? length : this.#find(this.#last) + 1 || length;
    let low = this.#first === null ? -1 : this.#find(this.#first);
    if (low < 0 || low >= high) low = Math.max(0, high - AT_FIRST);
    if (this.#following && high - low > MOST) low = high - AT_FIRST;
    if (!this.#following && high - low > MOST) return { low, high: low + MOST };
    return { low, high };
  }

  /** Where the message with a key is, or -1. Positions are contiguous, so that one mostly knows where to look. */
  #find(key) {
    const messages = this.#messages;
    const guess = Number(key.slice(key.lastIndexOf(":") + 1)) - (messages[0]?.seq ?? 0);
    if (messages[guess] && keyOf(messages[guess]) === key) return guess;
    return messages.findIndex((message) => keyOf(message) === key);
  }

  #redraw(low, high) {
    const state = this.#state;
    const messages = this.#messages;
    this.#first = messages.length ? keyOf(messages[low]) : null;
    this.#last = high >= messages.length ? null : keyOf(messages[high - 1]);
    const rows = state ? rowsOf(state, this.#view(low, high)) : [];
    const following = this.#following;
    const anchor = following ? null : this.#anchor(rows);
    if (!this.#isLive(rows)) this.#hush();
    this.#shown = reconcile(this.#rows, rows, this.#shown, (row) => this.#element(row));
    this.#drawTop(low);
    if (following) this.#toEnd();
    else if (anchor) this.#scroller.scrollTop += this.#shown.get(anchor.key).element.offsetTop - anchor.top;
    this.#drawPill();
  }

  /** A row's element. One that was there has been read out: it is not again because someone has read it. */
  #element(row) {
    const element = rowElement(row, (place) => this.#original(place));
    if (this.#shown.has(row.key)) element.setAttribute("aria-live", "off");
    return element;
  }

  #view(low, high) {
    const { user } = this.#client;
    return { low, high, user, readers: readersBySeq(this.#state.reads, user), fresh: this.#fresh };
  }

  /** The first row that one sees and that stays, with where it is now. Its element may be another one soon. */
  #anchor(rows) {
    const top = this.#scroller.scrollTop;
    for (const row of rows) {
      const element = this.#shown.get(row.key)?.element;
      if (element && element.offsetTop + element.offsetHeight > top) return { key: row.key, top: element.offsetTop };
    }
    return null;
  }

  #original({ epoch, seq }) {
    const messages = this.#messages;
    const guess = messages[seq - (messages[0]?.seq ?? 0)];
    if (guess?.seq === seq && (!epoch || guess.epoch === epoch)) return guess;
    return messages.find((m) => m.seq === seq && (!epoch || m.epoch === epoch)) ?? null;
  }

  #show(at) {
    const { length } = this.#messages;
    const low = Math.max(0, at - AT_FIRST / 2);
    this.#away ??= length ? keyOf(this.#messages[length - 1]) : null;
    this.#redraw(low, Math.min(length, low + AT_FIRST));
    const element = this.#shown.get(keyOf(this.#messages[at])).element;
    element.scrollIntoView({ block: "center" });
    element.classList.remove("found");
    void element.offsetWidth; // Begins the animation anew where it was found before.
    element.classList.add("found");
    this.#select(element);
  }

  #drawTop(low) {
    const state = this.#state;
    const empty = Boolean(state) && !state.messages.length && !state.pending.length && !state.dividers.length;
    setText(this.#top, state ? this.#topSentence(state, low, empty) : "Opening the room…");
    this.#top.classList.toggle("empty", empty);
  }

  #topSentence(state, low, empty) {
    if (state.error) return `This room cannot be entered: ${state.error.message}`;
    if (this.#loading || state.loadingOlder) return "Loading older messages…";
    if (this.#failed) return "Older messages could not be loaded. Scroll up to try again.";
    if (low > 0 || state.hasOlder) return "";
    if (!empty) return "The beginning of this room";
    return state.joined ? "Nothing here yet. Say the first word." : "Opening the room…";
  }

  // --- scrolling ------------------------------------------------------------------------------------------------

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const under = scrollHeight - clientHeight - scrollTop;
    const { length } = this.#messages;
    if (this.#last === null && under <= END_PX) this.#away = null;
    else if (length) this.#away ??= keyOf(this.#messages[length - 1]);
    const { low, high } = this.#window();
    if (scrollTop < NEAR_PX && low > 0) this.#grow(Math.max(0, low - STEP), null);
    else if (under < NEAR_PX && high < length) this.#grow(null, Math.min(length, high + STEP));
    else if (scrollTop < NEAR_PX && low === 0) this.#older();
    this.#drawPill();
    this.#markRead();
  }

  /** Move one edge of the window outwards, and the other one inwards where there is too much. */
  #grow(low, high) {
    const now = this.#window();
    if (low !== null) this.#redraw(low, Math.min(now.high, low + MOST));
    else this.#redraw(Math.max(now.low, high - MOST), high);
  }

  async #older() {
    if (this.#loading || !this.#state?.hasOlder || this.#state.loadingOlder) return;
    this.#loading = true;
    this.#drawTop(0);
    const came = await this.#client.loadOlder(this.#room).catch(() => null);
    this.#loading = false;
    if (this.#stop.signal.aborted) return;
    this.#failed = came === null; // Said where the messages would be; scrolling tries again,
    clearTimeout(this.#again);
    if (this.#failed) this.#again = setTimeout(() => this.#tryAgain(), AGAIN_MS); // and where there is nothing to scroll, time.
    const { low } = this.#window();
    if (low > 0) this.#grow(Math.max(0, low - STEP), null); // Who waits at the very top scrolls no more.
    else this.#drawTop(low);
  }

  #tryAgain() {
    this.#failed = false;
    this.#draw();
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #drawPill() {
    const hidden = this.#following;
    if (!hidden) {
      const newer = this.#away === null ? 0 : this.#messages.length - 1 - this.#find(this.#away);
      const text = newer > 0 ? counted(newer, "new message") : "Jump to latest";
      if (this.#pill.textContent !== text) this.#pill.replaceChildren(icon("down"), text);
    }
    this.#pill.hidden = hidden;
  }

  #markRead() {
    const last = this.#messages[this.#messages.length - 1];
    if (!last || !this.#following || document.visibilityState !== "visible" || !document.hasFocus()) return;
    if (this.element.offsetParent === null) return;
    this.#client.markRead(this.#room, last.seq);
  }

  // --- what is read out -----------------------------------------------------------------------------------------

  /** Whether a change is only that others said something just now, behind all that is shown. */
  #isLive(rows) {
    if (this.#shown.size === 0) return false;
    let behind = 0;
    for (const row of rows) {
      const here = this.#shown.has(row.key);
      if (here ? behind > 0 : row.own) return false; // What one wrote oneself one knows.
      if (!here && CAUGHT_UP.has(row.kind)) return false; // That it was caught up with is said.
      if (!here) behind += 1;
    }
    return behind <= MOST_READ_OUT;
  }

  /** History that fills the log is not read out line by line: the region is busy until it has been still. */
  #hush() {
    this.#scroller.setAttribute("aria-busy", "true");
    this.#scroller.setAttribute("aria-live", "off");
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.#scroller.removeAttribute("aria-busy");
      this.#scroller.setAttribute("aria-live", "polite");
    }, SETTLED_MS);
  }

  // --- acting on messages ---------------------------------------------------------------------------------------

  #clicked(event) {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    const row = button.closest(".row");
    switch (button.dataset.act) {
      case "reply":
        this.#reply(row);
        break;
      case "jump":
        this.jumpTo({ epoch: button.dataset.epoch, seq: Number(button.dataset.seq) });
        break;
      case "retry":
        this.#client.retry(this.#room, row.dataset.pending);
        break;
      case "discard":
        this.#client.discard(this.#room, row.dataset.pending);
        break;
    }
  }

  #reply(row) {
    const message = row && this.#original({ epoch: row.dataset.epoch, seq: Number(row.dataset.seq) });
    if (message) this.#onReply(message);
  }

  /** Up and Down go from message to message, R answers, End leads to the latest. */
  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button, a")) return;
    const selected = event.target.closest(".message");
    const next = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (next) this.#step(selected, next);
    else if (event.key.toLowerCase() === "r" && selected?.dataset.seq) this.#reply(selected);
    else if (event.key === "End") this.toLatest({ smooth: false });
    else return;
    event.preventDefault();
  }

  #step(selected, by) {
    const all = [...this.#rows.querySelectorAll(".message")];
    const at = selected ? all.indexOf(selected) + by : all.length - 1;
    if (at >= all.length) this.toLatest({ smooth: false });
    else if (all[at]) this.#select(all[at]);
  }

  #select(element) {
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }
}

/** A message that has the focus is called by what stands in it. */
function describe(element) {
  element.setAttribute("role", "article");
  element.setAttribute("aria-label", spoken(element));
}

function spoken(element) {
  const part = (selector) => element.querySelector(selector)?.textContent ?? "";
  return [part(".author"), part("time"), part(".text"), part(".visually-hidden"), part(".seq")].filter(Boolean).join(", ");
}
