/** What the servers of the models did. */

function servingView({ serving }) {
  const models = Object.entries(serving);
  if (!models.length) return null;
  const rows = models.map(([model, told]) => [model, told.requests, told.prompt_tokens, told.completion_tokens, ...rates(told)]);
  const head = ["model", "requests", "prompt tokens", "completion tokens", "model time", "tokens/s of model time", "s a request"];
  return [table("Requests and tokens by model", head, rows), ...models.map(([model, { finish }]) => finishView(model, finish))];
}

function rates({ requests, completion_tokens: tokens, seconds }) {
  const over = (part, whole) => figure(whole ? measured(part / whole) : "–");
  return [figure(duration(seconds)), over(tokens, seconds), over(seconds, requests)];
}

function finishView(model, finish) {
  if (!Object.keys(finish).length) return null;
  return [h("h3", { dir: "auto" }, `How answers of ${model} ended`), countsTable(`Finish reasons of ${model}`, ["finish reason", "answers"], finish)];
}
