import { connect, onStanding } from "/static/js/live.js";
import { t } from "/static/js/words.js";

const form = document.getElementById("decision");
const confirmation = document.getElementById("confirm");
let action = null;

for (const button of document.querySelectorAll("button[data-action]")) {
  button.addEventListener("click", () => {
    const comment = form.elements.comment;
    if (button.dataset.needsComment === "true" && !comment.value.trim()) {
      comment.focus();
      say(t("plan.comment_needed"));
      return;
    }
    say("");
    action = button.dataset.action;
    for (const part of confirmation.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(action);
    const go = document.getElementById("confirm-go");
    go.textContent = button.textContent.trim();
    document.getElementById("confirm-comment").textContent = comment.value.trim();
    confirmation.showModal();
    go.focus();
  });
}

document.getElementById("confirm-go")?.addEventListener("click", async () => {
  const go = document.getElementById("confirm-go");
  go.disabled = true;
  const response = await fetch(`/api/v1/plans/${form.dataset.digest}/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector("meta[name=csrf]").content },
    body: JSON.stringify({ comment: form.elements.comment.value.trim() }),
  });
  go.disabled = false;
  confirmation.close();
  if (response.ok) { location.reload(); return; }
  const problem = await response.json().catch(() => ({ error: t("error.server") }));
  say(problem.error);
});

function say(text) {
  const place = document.getElementById("decision-error");
  place.textContent = text;
  place.hidden = !text;
}

// Someone else may decide meanwhile: say so, and never move what is being read.
onStanding((standing) => {
  document.getElementById("changed").hidden = standing.plans[form.dataset.digest] === form.dataset.status;
});
connect();
