// Puts the page together: reads the events, and hands each part what is new.

import { enterToken } from "./api.js";
import { follow } from "./events.js";
import { showFunctions, showHeadline, showOutcomes, showProblems } from "./figures.js";
import { showLetters } from "./letters.js";
import { LastOrders } from "./orders.js";
import { placing } from "./place.js";
import { plots } from "./plots.js";
import { setText, time, zone } from "./text.js";
import { traces } from "./trace.js";

const KEPT_S = 300;

const trace = traces();
const orders = new LastOrders(trace);
const currencies = placing(trace);
const draw = plots();
let points = [];

function show(news, { afresh = false } = {}) {
  draw(points);
  showHeadline(news.headline);
  showOutcomes(news.headline, news.totals);
  showFunctions(news.functions);
  showProblems(news.problems);
  orders.statuses(news.headline.outcomes.map((each) => each.status));
  orders.add(news.orders, news.headline.every, { afresh });
  if (news.letters) showLetters(news.letters);
}

let known = false;
let lostAt = "";
const tokenButton = document.getElementById("token-button");
tokenButton.addEventListener("click", () => enterToken());
follow("/live/events", {
  snapshot(all) {
    known = true;
    points = all.points;
    if (all.currencies) currencies(all.currencies);
    show(all, { afresh: true });
  },
  second(news) {
    // What comes before the snapshot is in it.
    if (!known || (points.length && news.point.at_s <= points.at(-1).at_s)) return;
    points = [...points, news.point].slice(-KEPT_S);
    show(news);
  },
}, (state, reason) => {
  const line = document.getElementById("connection");
  if (line.dataset.state === state && !reason) return;
  if (line.dataset.state !== state) lostAt = time(Date.now());
  line.dataset.state = state;
  tokenButton.hidden = state !== "token";
  if (state !== "live") known = false;
  setText(line, {
    live: `Live, times in ${zone}`,
    lost: `Connection lost at ${lostAt}: the figures are from before. Trying again …${reason ? ` ${reason}` : ""}`,
    token: "There are no figures without a token.",
  }[state]);
});
