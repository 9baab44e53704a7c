// What a page of the console does by itself: it refreshes counts, follows what is under way, and copies a command.
"use strict";

const POLL_MILLISECONDS = 5000;
const FOLLOW_MILLISECONDS = 700;
const ENDED = "meq-ended"; // which page reloads itself since what it follows has ended

async function answerOf(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`the console answers ${answer.status}`);
  return answer.json();
}

function show({ counts, states }) {
  for (const place of document.querySelectorAll("[data-live]")) {
    const count = counts[place.dataset.live];
    if (!count) continue;
    place.textContent = count.text;
    place.classList.toggle("attention", count.attention);
  }
  for (const place of document.querySelectorAll("[data-state]")) {
    const state = states[place.dataset.state];
    if (!state) continue;
    place.textContent = state.text;
    place.className = `status ${state.gravity}`;
  }
}

function poll(line) {
  const state = line.querySelector("[data-live-state]");
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const told = await answerOf(line.dataset.poll);
      if (told.shape !== line.dataset.shape) return location.reload();
      show(told);
      line.querySelector("[data-live-at]").textContent = told.at;
      if (state.textContent) state.textContent = "";
    } catch (error) {
      const text = `. Not refreshed since: ${error.message}`;
      if (state.textContent !== text) state.textContent = text;
    }
  }, POLL_MILLISECONDS);
}

function follow(line) {
  const said = line.querySelector("[data-said]");
  const timer = setInterval(async () => {
    try {
      const told = await answerOf(line.dataset.follow);
      if (told.ended) {
        clearInterval(timer);
        sessionStorage.setItem(ENDED, location.pathname);
        location.reload();
      } else if (said.textContent !== told.said) {
        said.textContent = told.said;
      }
    } catch (error) {
      said.textContent = `cannot be followed: ${error.message}`;
    }
  }, FOLLOW_MILLISECONDS);
}

function toTheOutcome() {
  if (sessionStorage.getItem(ENDED) === location.pathname) document.getElementById("outcome")?.focus();
  sessionStorage.removeItem(ENDED);
}

function copies(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

function toTheStart(drawing) {
  const first = drawing.querySelector(".state, .container").getBoundingClientRect();
  const frame = drawing.getBoundingClientRect();
  drawing.scrollLeft = first.left + first.width / 2 - frame.left - frame.width / 2;
}

toTheOutcome();
document.querySelectorAll(".drawing").forEach(toTheStart);
document.querySelectorAll("[data-poll]").forEach(poll);
document.querySelectorAll("[data-follow]").forEach(follow);
document.querySelectorAll("[data-copy]").forEach(copies);
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    setTimeout(() => { button.disabled = true; });
  });
}
window.addEventListener("pageshow", (shown) => {
  if (shown.persisted) document.querySelectorAll("button[disabled]").forEach((button) => { button.disabled = false; });
});
