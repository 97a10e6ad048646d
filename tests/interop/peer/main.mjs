// Starts the hosts named on the command line, and a control port on loopback that takes {"deed", "site", ...} and answers JSON.
//   node main.mjs '[{"host": "127.0.0.2", "people": ["ada"]}, {"host": "127.0.0.3"}]'
// Prints one line when ready: {"control": PORT, "sites": ["http://127.0.0.2:PORT", ...]}. Ends when standard input closes.
import http from "node:http";
import { deeds } from "./deeds.mjs";
import { Site } from "./site.mjs";

const sites = await Promise.all(JSON.parse(process.argv[2]).map((described) => new Site(described).open()));

const control = http.createServer(async (request, response) => {
  try {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { deed, site, ...wanted } = JSON.parse(text);
    const result = await deeds[deed](sites[site], wanted);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  } catch (error) {
    response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify({ error: String(error?.stack ?? error) }));
  }
});
control.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ control: control.address().port, sites: sites.map((site) => site.base) }));
});
process.stdin.on("end", () => process.exit(0)).resume();
