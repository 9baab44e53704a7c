// Judges events by ajv in strict mode. A line in is [text of the event, whether to assert `format`]; the line out for it
// is every [path, keyword] that the event breaks.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const folder = process.argv[2];
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
const schemas = files.map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));

function validators(validateFormats) {
  const ajv = new Ajv2020({ strict: true, allErrors: true, validateFormats });
  addFormats(ajv);
  ajv.addSchema(schemas);
  const judging = schemas.filter((schema) => schema.properties);
  return new Map(judging.map((schema) => [schema.title, ajv.getSchema(schema.$id)]));
}

function broken(byName, event) {
  const validate = byName.get(event?.eventName) ?? byName.get("Envelope");
  if (validate(event)) return [];
  return validate.errors.map(({ instancePath, keyword, params }) =>
    keyword === "required" ? [`${instancePath}/${params.missingProperty}`, keyword] : [instancePath, keyword],
  );
}

const annotating = validators(false);
const asserting = validators(true);
for await (const line of createInterface({ input: process.stdin })) {
  const [text, assertFormat] = JSON.parse(line);
  const found = broken(assertFormat ? asserting : annotating, JSON.parse(text));
  process.stdout.write(JSON.stringify(found) + "\n");
}
