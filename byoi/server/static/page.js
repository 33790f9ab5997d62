// The page of `byoi serve`. Whatever a model or a client made is set as text, never as markup.

const LOOK_MS = 2000;
const SHOWN_CHARACTERS = 200000;
const at = (id) => document.getElementById(id);

let model = null; // what /page/model.json said
let attached = null; // {name, blob}: sent in place of the text
let written = ""; // of model.json and of requests.json, what is shown now
let listed = "";

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
}

const tone = (status) => (status >= 200 && status < 300 ? "good" : "bad");

// What the model takes and gives

function table(caption, heads, rows) {
  const made = element("table");
  made.append(element("caption", caption));
  const head = made.createTHead().insertRow();
  for (const text of heads) {
    const cell = element("th", text);
    cell.scope = "col";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const text of row) line.append(element("td", text, "wide"));
  }
  return made;
}

function tensors(caption, list) {
  const free = (axis) => (axis ? "any" : "rows");
  const shape = (sizes) => `(${sizes.map((one, axis) => one ?? free(axis)).join(", ")})`;
  const rows = list.map((one) => [one.name, one.dtype, shape(one.shape)]);
  return table(caption, ["Name", "Type", "Shape"], rows);
}

function pairs(list, entries) {
  list.replaceChildren(
    ...entries.flatMap(([name, text]) => [element("dt", name), element("dd", text)]),
  );
  return list;
}

function options(list, values) {
  list.replaceChildren(
    ...values.map((value) => {
      const option = element("option");
      option.value = value;
      return option;
    }),
  );
}

function showModel() {
  at("module").textContent = model.name.split("/").pop();
  at("module").title = model.name;
  document.title = `${at("module").textContent} · byoi serve`;
  at("notice").hidden = !model.failure;
  at("notice").textContent = model.failure ?? "";
  const shown = [];
  if (model.signature) {
    shown.push(tensors("Inputs", model.signature.inputs));
    shown.push(tensors("Outputs", model.signature.outputs));
  }
  const transforms = model.functions.includes("transform_fn");
  const types = (list, name) =>
    list.length ? list.join(", ") : `what the module’s ${transforms ? "transform_fn" : name} says`;
  shown.push(
    pairs(element("dl", "", "pairs"), [
      ["Takes", types(model.request_types, "input_fn")],
      ["Gives", types(model.response_types, "output_fn")],
      ["Functions", model.functions.join(", ") || "none: a model without a script"],
    ]),
  );
  at("model").replaceChildren(...shown);
  const known = ["application/json", "application/jsonlines", "text/csv", "text/plain", "application/x-npy"];
  options(at("request-types"), model.request_types.length ? model.request_types : known);
  options(at("response-types"), model.response_types.length ? model.response_types : known);
  at("sample").hidden = !model.sample || !("text" in model.sample || "base64" in model.sample);
}

async function lookAtModel() {
  const response = await fetch("/page/model.json");
  if (!response.ok) return;
  const text = await response.text();
  if (text === written) return;
  const isFirst = written === "";
  written = text;
  model = JSON.parse(text);
  showModel();
  if (isFirst && !at("body").value && !attached) takeSample();
}

// The form

function attach(name, blob) {
  attached = { name, blob };
  at("body").hidden = true;
  at("attached").hidden = false;
  at("attached-name").textContent = `${name}, ${size(blob.size)}`;
  showShell();
}

function detach() {
  attached = null;
  at("file").value = "";
  at("body").hidden = false;
  at("attached").hidden = true;
  showShell();
}

function takeSample() {
  const sample = model.sample;
  at("content-type").value = sample?.content_type ?? (model.request_types[0] || "application/json");
  if (sample && "text" in sample) {
    detach();
    at("body").value = sample.text;
  } else if (sample && "base64" in sample) {
    const bytes = Uint8Array.from(atob(sample.base64), (one) => one.charCodeAt(0));
    attach(sample.name, new Blob([bytes]));
  } else if (model.example !== null && !at("body").value) {
    at("body").value = JSON.stringify(model.example);
  }
  showShell();
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function showShell() {
  const body = at("body").value;
  const file = attached?.name ?? (body === model?.sample?.text ? model.sample.name : null);
  const lines = [
    `curl ${location.origin}/invocations`,
    `-H ${quoted(`Content-Type: ${at("content-type").value}`)}`,
  ];
  if (at("accept").value) lines.push(`-H ${quoted(`Accept: ${at("accept").value}`)}`);
  lines.push(`--data-binary ${file ? quoted(`@${file}`) : quoted(body)}`);
  at("shell").textContent = lines.join(" \\\n  ");
}

// The answer

function isText(type) {
  return /^text\/|json|xml|javascript|yaml/i.test(type) || type === "";
}

function summarize(parts) {
  at("summary").replaceChildren(...parts);
}

async function read(response, show) {
  // A stream is shown piece by piece, as it comes.
  const decoder = new TextDecoder();
  const pieces = [];
  let text = "";
  let bytes = 0;
  const asText = isText(response.headers.get("content-type") ?? "");
  const reader = response.body?.getReader();
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      bytes += value.length;
      if (asText && text.length < SHOWN_CHARACTERS) {
        text += decoder.decode(value, { stream: true });
        show(text.slice(0, SHOWN_CHARACTERS));
      }
    }
  } catch (error) {
    return { bytes, text, asText, pieces, broken: String(error) };
  }
  return { bytes, text: text + decoder.decode(), asText, pieces, broken: null };
}

// The message of an error body, as a sentence to read.
function showReason(text) {
  try {
    const { message } = JSON.parse(text);
    at("reason").hidden = typeof message !== "string";
    at("reason").textContent = message;
  } catch {
    at("reason").hidden = true;
  }
}

let saved = null;

async function send() {
  const headers = {};
  if (at("content-type").value.trim()) headers["Content-Type"] = at("content-type").value.trim();
  if (at("accept").value.trim()) headers.Accept = at("accept").value.trim();
  const body = attached ? attached.blob : new TextEncoder().encode(at("body").value);
  at("send").disabled = true;
  at("headers").hidden = at("saving").hidden = at("reason").hidden = true;
  summarize([element("span", "Waiting for the answer…", "muted")]);
  const started = performance.now();
  try {
    const response = await fetch("/invocations", { method: "POST", headers, body });
    const status = element("span", `${response.status} ${response.statusText}`.trim(), `pill ${tone(response.status)}`);
    const type = response.headers.get("content-type") ?? "";
    const answer = at("answer");
    answer.hidden = false;
    answer.textContent = "";
    summarize([status, element("span", "receiving…", "muted")]);
    const got = await read(response, (text) => { answer.textContent = text; });
    const took = performance.now() - started;
    summarize([
      status,
      element("span", duration(took / 1000)),
      element("span", size(got.bytes)),
      element("span", type, "muted"),
    ]);
    if (!got.asText) answer.textContent = `${size(got.bytes)} of ${type}, not shown as text`;
    else if (got.text.length > SHOWN_CHARACTERS) answer.textContent = `${got.text.slice(0, SHOWN_CHARACTERS)}\n… the whole answer is in the file`;
    else answer.textContent = got.text;
    if (got.broken) answer.textContent += `\n\nThe answer ended before it was complete: ${got.broken}`;
    if (!response.ok) showReason(got.text);
    if (saved) URL.revokeObjectURL(saved);
    saved = URL.createObjectURL(new Blob(got.pieces));
    at("save").href = saved;
    at("saving").hidden = got.bytes === 0;
    pairs(at("header-list"), [...response.headers]);
    at("headers").hidden = false;
  } catch (error) {
    summarize([element("span", "No answer", "pill bad"), element("span", String(error))]);
  } finally {
    at("send").disabled = false;
    // The line in the log comes just after the answer.
    setTimeout(look, 300);
  }
}

// The last requests, and whether the server is ready

function showRequests(requests) {
  const rows = requests.map((one) => {
    const row = element("tr");
    const status = element("td");
    status.append(element("span", String(one.status), `pill ${tone(one.status)}`));
    row.append(
      element("td", new Date(one.time).toLocaleTimeString()),
      status,
      element("td", duration(one.duration_s), "number"),
      element("td", one.content_type || "–", "wide"),
      element("td", size(one.request_bytes), "number"),
      element("td", size(one.response_bytes), "number"),
    );
    return row;
  });
  if (!rows.length) {
    const row = element("tr");
    const cell = element("td", "None yet.", "muted");
    cell.colSpan = 6;
    row.append(cell);
    rows.push(row);
  }
  at("requests").replaceChildren(...rows);
}

async function lookAtRequests() {
  const response = await fetch("/page/requests.json");
  const text = response.ok ? await response.text() : listed;
  if (text === listed) return;
  listed = text;
  showRequests(JSON.parse(text));
}

async function lookAtHealth() {
  const response = await fetch("/ping");
  const isBroken = Boolean(model?.failure);
  at("health").textContent = isBroken
    ? "does not load"
    : response.ok ? "ready" : `not ready (${response.status})`;
  at("health").className = `pill ${isBroken ? "bad" : tone(response.status)}`;
}

async function look() {
  try {
    await Promise.all([lookAtHealth(), lookAtModel(), lookAtRequests()]);
  } catch {
    at("health").textContent = "does not answer";
    at("health").className = "pill bad";
  }
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
at("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !at("send").disabled) {
    event.preventDefault();
    send();
  }
});
at("form").addEventListener("input", showShell);
at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  if (file) attach(file.name, file);
});
at("detach").addEventListener("click", detach);
at("sample").addEventListener("click", takeSample);
showRequests([]);
look();
setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
