/**
 * A page that lists a plugin's methods, and calls them with JSON. It asks by the same paths as every caller, so that it
 * can do no more than they.
 * @param nonce Marks its style and its script as its own.
 */
export function consolePage(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Plugboard console</title>
<style nonce="${nonce}">
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
  select, textarea, input, button { font: inherit; width: 100%; box-sizing: border-box; margin-bottom: 0.5rem; }
  textarea, pre { font-family: ui-monospace, monospace; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
</style>
<h1 id="title">Plugboard console</h1>
<p id="about" role="status">Asking the plugin what it is…</p>
<form id="call">
  <label>Unary method <select id="method" required></select></label>
  <label>Bearer token, if it wants one <input id="token" type="password" autocomplete="off"></label>
  <label>Request, as JSON <textarea id="request" rows="8" spellcheck="false">{}</textarea></label>
  <button>Call</button>
</form>
<pre id="response" aria-live="polite"></pre>
<script nonce="${nonce}">
  const byId = (id) => document.getElementById(id);
  async function call(path, body) {
    const token = byId("token").value;
    const authorization = token === "" ? {} : { Authorization: "Bearer " + token };
    const headers = { "Content-Type": "application/json", ...authorization };
    const response = await fetch("." + path, { method: "POST", headers, body });
    return { response, text: await response.text() };
  }
  async function describe() {
    const { response, text } = await call("/plugboard.plugin.v1.PluginService/Describe", "{}");
    if (!response.ok) {
      byId("about").textContent = "The plugin does not say what it is: " + text;
      return;
    }
    const { manifest } = JSON.parse(text);
    byId("title").textContent = manifest.name + " " + manifest.version;
    byId("about").textContent = manifest.description ?? "";
    const unary = (manifest.services ?? []).flatMap(({ name, methods }) =>
      (methods ?? []).filter(({ kind }) => kind === "METHOD_KIND_UNARY").map((each) => name + "/" + each.name));
    byId("method").replaceChildren(...unary.map((each) => new Option(each)));
  }
  byId("token").addEventListener("change", describe);
  byId("call").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { response, text } = await call("/" + byId("method").value, byId("request").value);
    byId("response").textContent = response.status + " " + (response.headers.get("X-Request-Id") ?? "") + "\\n" + text;
  });
  describe();
</script>
</html>
`;
}

/** The page's Content-Security-Policy: its own style and script, and calls to its own origin. */
export function consolePolicy(nonce: string): string {
  const sources = [
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "form-action 'none'",
  ];
  return ["default-src 'none'", ...sources, "frame-ancestors 'none'", "base-uri 'none'"].join("; ");
}
