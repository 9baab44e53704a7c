// The contract of the events of vehicle registration marks, as data. Nothing here needs a file system or a network.
import data from "./data.js";

export const CONTRACT_VERSION = data.versions.at(-1);
export const versions = Object.freeze(data.versions);
export const schemas = data.schemas;

const newest = majorOf(CONTRACT_VERSION);

export const examples = (major) => chosen(data.examples, major);
export const notices = (major) => chosen(data.notices, major);
export const counterexamples = (major) => chosen(data.counterexamples, major);

export function validator(ajv, major = newest) {
  const ours = schemas[`v${known(major)}`];
  ajv.addSchema(Object.values(ours).filter(({ $id }) => !ajv.getSchema($id)));
  return (event) => {
    const validate = ajv.getSchema((ours[`${event?.eventName}.json`] ?? ours["envelope.json"]).$id);
    return validate(event) ? [] : validate.errors.map(violation);
  };
}

function violation({ instancePath, keyword, params }) {
  return [keyword === "required" ? `${instancePath}/${params.missingProperty}` : instancePath, keyword];
}

function chosen(published, major) {
  if (major !== undefined) known(major);
  const wanted = published.filter((one) => major === undefined || one.major === major);
  return wanted.map((one) => ({ ...one, event: JSON.parse(one.body) }));
}

function known(major) {
  if (data.versions.map(majorOf).includes(major)) return major;
  throw new RangeError(`major version ${major} is not in this package, which has ${data.versions.join(", ")}`);
}

function majorOf(version) {
  return Number.parseInt(version, 10);
}
