// A provider of OpenID Connect for `oidc.py`: its people are who they say, with any password, and in the groups that a table says.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import path from "node:path";
import { pathToFileURL } from "node:url";

const library = path.join(process.env.RUMLINE_NPM, "node_modules/oidc-provider/lib/index.js");
const { default: Provider } = await import(pathToFileURL(library));

const { port, clients, groups, certificate, key } = JSON.parse(process.argv[2]);
const issuer = `https://127.0.0.1:${port}`;
const kinds = [
  ["rsa", { modulusLength: 2048 }, "RS256"],
  ["ec", { namedCurve: "P-256" }, "ES256"],
];
const keys = kinds.map(([kind, options, alg]) => {
  const made = generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" });
  return { ...made, alg, use: "sig", kid: alg };
});
const provider = new Provider(issuer, {
  clients,
  jwks: { keys },
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  cookies: { keys: ["of a test"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: `subject-${id}`, preferred_username: id, groups: groups[id] ?? [] }),
  }),
});
const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
createServer(tls, provider.callback()).listen(port, "127.0.0.1", () => console.log("up"));
