// Pages that only show values: follow the stream, patch what is marked.
import { connect, onStanding } from "/static/js/live.js";

// A list never moves under the reader: it says that it is old, and fills itself only when empty.
const old = document.getElementById("list-changed");
if (old) {
  onStanding((standing) => {
    if (standing.counts[old.dataset.count] === Number(old.dataset.value)) return;
    if (document.querySelector("main tr[data-href]")) old.hidden = false;
    else location.reload();
  });
}
connect();
