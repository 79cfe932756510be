// Has AsyncAPI's own parser read a document; ends with status 1 when it finds an error or a warning.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

new Parser().parse(readFileSync(process.argv[2], "utf8")).then(({ document, diagnostics }) => {
  for (const { severity, path, message } of diagnostics) console.log(severity, path.join("."), message);
  const isGood = document && diagnostics.every(({ severity }) => severity > 1);
  console.log(isGood ? `${document.channels().all().length} channels` : "refused");
  process.exit(isGood ? 0 : 1);
});
