import { expect, test } from "vitest";
import { backtracking } from "../../scripts/check/security/backtracking.ts";
import { dynamicCode } from "../../scripts/check/security/dynamic-code.ts";
import { emptyCatch } from "../../scripts/check/security/empty-catch.ts";
import { fileWrites } from "../../scripts/check/security/file-writes.ts";
import { paths } from "../../scripts/check/security/paths.ts";
import { plainHttp } from "../../scripts/check/security/plain-http.ts";
import { type Scan, scanSource } from "../../scripts/check/security/scan.ts";
import { secrets, secretsIn } from "../../scripts/check/security/secrets.ts";
import { shell } from "../../scripts/check/security/shell.ts";
import { parseSource } from "../../scripts/check/security/source.ts";
import { temporaryNames } from "../../scripts/check/security/temporary-names.ts";
import { tls } from "../../scripts/check/security/tls.ts";
import { unbounded } from "../../scripts/check/security/unbounded.ts";

function linesFound(scan: Scan, program: string): readonly number[] {
  return scanSource(parseSource("program.ts", program), [scan]).map(({ line }) => line);
}

const processes = 'import { exec, execFile, spawn } from "node:child_process"; ';
const all = 'import * as processes from "node:child_process"; ';

const pathFunctions = 'import * as path from "node:path"; import { join, resolve as find } from "node:path"; ';

const cases: readonly { readonly scan: Scan; readonly faults: readonly string[]; readonly fine: readonly string[] }[] =
  [
    {
      scan: shell,
      faults: [
        `${processes} exec("ls " + folder);`,
        `${processes} const run = promisify(exec);`,
        `${all} processes.execSync(command);`,
        `${processes} spawn("ls", [folder], { shell: true });`,
        `${processes} spawn("ls", [folder], { "shell": process.platform === "win32" });`,
        `${processes} execFile("/bin/sh", ["-c", command]);`,
        'import { exec as run } from "child_process"; run(command);',
      ],
      fine: [
        `${processes} execFile("ls", [folder]);`,
        `${processes} spawn("ls", [folder], { shell: false });`,
        "const exec = /a/.exec(text);",
        `${processes} /a/.exec(text);`,
      ],
    },
    {
      scan: dynamicCode,
      faults: [
        "eval(text);",
        "globalThis.eval(text);",
        "new Function('a', text);",
        "Function(text)();",
        'setTimeout("work()", 1);',
        'import { runInThisContext } from "node:vm";',
        `await import(\`data:text/javascript,\${text}\`);`,
      ],
      fine: ["redis.eval(script);", "setTimeout(work, 1);", "await import(name);", "type F = Function;"],
    },
    {
      scan: tls,
      faults: [
        "connect({ rejectUnauthorized: false });",
        "connect({ rejectUnauthorized: strict });",
        'process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";',
        'spawn("node", { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });',
        "connect({ checkServerIdentity: () => undefined });",
        'createServer({ minVersion: "TLSv1.1" });',
        "options.rejectUnauthorized = false;",
      ],
      fine: ["connect({ rejectUnauthorized: true });", 'createServer({ minVersion: "TLSv1.2" });'],
    },
    {
      scan: temporaryNames,
      faults: [
        'writeFile(join(tmpdir(), "plugboard.sock"), text);',
        `const name = \`\${os.tmpdir()}/\${process.pid}\`;`,
        'listen("/tmp/plugboard.sock");',
        `listen(\`/tmp/\${process.pid}.sock\`);`,
        `const name = \`socket-\${Math.random()}\`;`,
        "const name = Math.random().toString(36).slice(2);",
      ],
      fine: [
        'await mkdtemp(join(tmpdir(), "plugboard-"));',
        'fs.mkdtempSync("/tmp/plugboard-");',
        "const parent = resolve(tmpdir());",
        "const wait = Math.random() * jitter;",
      ],
    },
    {
      scan: plainHttp,
      faults: [
        'fetch("http://plugins.acme.io/");',
        `fetch(\`http://\${host}/\`);`,
        'fetch("http://" + host);',
        'new WebSocket("ws://10.0.0.1/");',
        'fetch("http://localhost.acme.io/");',
      ],
      fine: [
        'fetch("https://plugins.acme.io/");',
        'fetch("http://127.0.0.1:8080/");',
        'fetch("http://[::1]:8080/");',
        'fetch("http://localhost/");',
        'text.startsWith("http://");',
        `URL.canParse(\`http://\${host}\`);`,
      ],
    },
    {
      scan: unbounded,
      faults: [
        'import { text } from "node:stream/consumers";',
        "const body = await request.text();",
        "const body = await (await fetch(url)).json();",
        "new WebSocketServer({ maxPayload: 0 });",
        "execFile(command, { maxBuffer: Number.POSITIVE_INFINITY });",
        "for await (const chunk of stream) { chunks.push(chunk); }",
        "for await (const chunk of stream) text += chunk;",
        'socket.on("data", (chunk) => chunks.push(chunk));',
      ],
      fine: [
        "new WebSocketServer({ maxPayload: 1024 });",
        "for await (const chunk of stream) { if ((size += chunk.length) > max) throw tooLong(); chunks.push(chunk); }",
        "for await (const chunk of stream) { checkSize(chunk); text += chunk; }",
        'socket.on("data", (chunk) => { if (chunks.length < 9) chunks.push(chunk); });',
        "for (const part of parts) whole.push(part);",
      ],
    },
    {
      scan: backtracking,
      faults: ["/^(a+)+$/.test(text);", "/a*a*b/.test(text);", 'new RegExp("^(a|aa)+$");', "new RegExp(pattern);"],
      fine: ["/^[a-z]+$/.test(text);", 'new RegExp("^[a-z]+$", "u");', "/[\\p{L}]+/v.test(text);"],
    },
    {
      scan: emptyCatch,
      faults: [
        "try { work(); } catch {}",
        "try { work(); } catch {\n\n}",
        "try { work(); } catch (error) { ; }",
        "work().catch(() => {});",
        "work().catch(function () {});",
        "work().then(finish, () => {});",
        'socket.on("error", () => {});',
        'socket.addEventListener("error", () => {});',
      ],
      fine: [
        "try { work(); } catch { failed = true; }",
        "work().catch(() => undefined);",
        "work().then(() => {});",
        'socket.on("close", () => {});',
        'socket.on("error", (error) => fail(error));',
      ],
    },
    {
      scan: fileWrites,
      faults: [
        "await writeFile(path, text);",
        'await open(path, "w");',
        "createWriteStream(path);",
        'fs.writeFileSync(path, text, { mode: 0o600, flag: "w" });',
        "await appendFile(path, text);",
        "await copyFile(path, copy);",
        'await open(lock, "a+");',
        'await open(path, "r+");',
        "openSync(lock, constants.O_CREAT | constants.O_WRONLY);",
        "if (!existsSync(lock)) { writeFileSync(lock, String(process.pid)); }",
        "await writeFile(next, text); await rename(next, path);",
      ],
      fine: [
        'await writeFile(path, text, { flag: "wx" });',
        'await open(path, "wx", 0o600);',
        "await open(path);",
        'createWriteStream(path, { flags: "wx" });',
        "await copyFile(path, copy, constants.COPYFILE_EXCL);",
        "openSync(lock, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY);",
        "await open(path, constants.O_RDONLY);",
        'await writeFile(next, text, { flag: "wx" }); await rename(next, path);',
      ],
    },
    {
      scan: paths,
      faults: [
        `${pathFunctions} readFile(join(root, name));`,
        `${pathFunctions} readFile(path.join(root, "plugins", name));`,
        `${pathFunctions} readFile(find(root, request.path));`,
        `${pathFunctions} readFile(path.resolve(root, \`\${name}.json\`));`,
        `${pathFunctions} readFile(path.join(root, \`../\${process.pid}\`));`,
        `${pathFunctions} readFile(join(root, "../secret.json"));`,
        `${pathFunctions} readFile(find(root, "/etc/passwd"));`,
      ],
      fine: [
        `${pathFunctions} readFile(join(root, "plugins/markdown.json"));`,
        `${pathFunctions} path.join(root, \`p\${process.pid}.sock\`);`,
        `${pathFunctions} join(root, \`b\${randomBytes(6).toString("hex")}.sock\`);`,
        `${pathFunctions} path.resolve(file);`,
        `${pathFunctions} path.resolve(cwd ?? ".", file);`,
        `${pathFunctions} path.join(home, isMac ? "Library/Caches" : ".cache");`,
        'names.join(separator, ", "); Promise.resolve(first, second);',
      ],
    },
    {
      scan: secrets,
      faults: [
        // Put together, so that this file holds none.
        `const apiKey = "${"q7Rk2Zp9"}${"Xw4Lm8Ty1Vb6"}";`,
        `connect({ password: "${"q7Rk2Zp9"}${"Xw4Lm8Ty1Vb6"}" });`,
        `const url = "redis://plugins:${"hunter2"}${"hunter2"}@cache.acme.io";`,
        `const key = "${"AKIA"}${"ABCDEFGHIJKLMNOP"}";`,
      ],
      fine: [
        "const token = process.env.TOKEN;",
        'const tokenKey = "the-token-of-the-call";',
        'const secret = "<your secret here, please>";',
      ],
    },
  ];

for (const { scan, faults, fine } of cases) {
  test.each(faults)(`the scan ${scan.name} finds: %s`, (program) => {
    expect(linesFound(scan, program)).not.toEqual([]);
  });

  test.each(fine)(`the scan ${scan.name} lets pass: %s`, (program) => {
    expect(linesFound(scan, program)).toEqual([]);
  });
}

test("a private key is found in any file", () => {
  const key = ["-----BEGIN PRIVATE", " KEY-----\n", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0waw"].join("");
  expect(secretsIn(`first line\n${key}`)).toHaveLength(1);
  expect(secretsIn("the line -----BEGIN PRIVATE KEY----- begins one")).toEqual([]);
});

test("a comment that names the scan allows what is found on the line below it", () => {
  const reason = "// allowed tls: verified elsewhere,\n// before the first byte.";
  expect(linesFound(tls, `${reason}\nconnect({ rejectUnauthorized: false });`)).toEqual([]);
  expect(linesFound(tls, "connect({ rejectUnauthorized: false }); // allowed tls: a test")).toEqual([]);
  expect(linesFound(tls, `${reason}\n\nconnect({ rejectUnauthorized: false });`)).toEqual([4, 1]);
  expect(linesFound(tls, "// allowed tls:\nconnect({ rejectUnauthorized: false });")).toEqual([2]);
});

test("a comment in an empty catch allows it", () => {
  expect(linesFound(emptyCatch, "try {\n  work();\n} catch {\n  // allowed empty-catch: gone already.\n}")).toEqual([]);
});

test("a comment that allows what is not there is found", () => {
  expect(linesFound(tls, "// allowed tls: for nothing\nconnect({ rejectUnauthorized: true });")).toEqual([1]);
});
