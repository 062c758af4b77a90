// Builds the assets of the pages into `dist`, each with the hash of what is in it in its name, and a manifest of the names.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const here = new URL(".", import.meta.url).pathname;
const dist = `${here}dist/`;

const built = await build({
  absWorkingDir: here,
  entryPoints: ["src/app.ts", "app.css"],
  outdir: dist,
  outbase: ".",
  entryNames: "[name]",
  // What is only needed once somebody types is a file of its own, which the others name with its hash.
  splitting: true,
  chunkNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  legalComments: "none",
  write: false,
});

const files = new Map(built.outputFiles.map((file) => [file.path.split("/").pop(), Buffer.from(file.contents)]));
files.set("favicon.svg", await readFile(`${here}favicon.svg`));

// What is there already is left alone, so that nothing is built anew for it.
const manifest = {};
for (const [name, body] of files) {
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 10);
  manifest[name] = name.includes("-") ? name : name.replace(".", `-${hash}.`);
}
const wanted = new Map([...files].map(([name, body]) => [manifest[name], body]));
wanted.set("manifest.json", Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));

await mkdir(dist, { recursive: true });
for (const old of await readdir(dist)) if (!old.startsWith(".") && !wanted.has(old)) await rm(dist + old);
for (const [name, body] of wanted) {
  const was = await readFile(dist + name).catch(() => undefined);
  if (!was?.equals(body)) await writeFile(dist + name, body);
}
