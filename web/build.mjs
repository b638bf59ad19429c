// Bundles the charts of the CloudWatch tab into the Python package.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const FOLDER = new URL("../python/locust_cw/_webui/static/", import.meta.url);

await mkdir(FOLDER, { recursive: true });
await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: { live: "src/main.ts" },
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2020",
  legalComments: "none",
  outdir: FOLDER.pathname,
  logLevel: "warning",
});
// The license of uPlot requires its text with each copy.
const license = await readFile(new URL("node_modules/uplot/LICENSE", import.meta.url), "utf8");
await writeFile(new URL("live.LICENSE.txt", FOLDER), `live.js and live.css contain uPlot.\n\n${license}`);
