// The live chart of the dashboard: begins with what the server has seen, and goes on by the differences of the totals
// between two updates of this page, at the pace of live.js. Loaded before chart.js, so that its text is ready for that.
const KEPT = 600; // seconds
const holder = document.getElementById("rates-data");
const state = JSON.parse(holder.textContent);

function next() {
  const { now } = JSON.parse(holder.textContent);
  const seconds = now.at - state.now.at;
  if (seconds > 0) {
    state.x.push(now.at);
    state.series.forEach(({ values }, at) => {
      values.push(Math.max(0, Math.round(((now.values[at] - state.now.values[at]) / seconds) * 100) / 100));
    });
    // The empty minute of the beginning goes as soon as there is a line to be drawn.
    while (state.x[0] < now.at - KEPT || (state.series[0].values[0] === null && state.x.length > 3)) {
      state.x.shift();
      for (const { values } of state.series) values.shift();
    }
  }
  state.now = now;
  holder.textContent = JSON.stringify(state);
}

document.addEventListener("fastkiq:updated", next);
