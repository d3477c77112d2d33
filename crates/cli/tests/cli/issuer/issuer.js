// A certified OpenID provider on loopback: `node issuer.js PORT KEYS`. PORT may be 0. KEYS is a file of private keys,
// made where it is not there. Each client is a service that signs in for itself; the resource that it asks for names the
// algorithm of its token.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [port, file] = process.argv.slice(2);

function made() {
  const name = file.replace(/^.*\//, "");
  const key = (kind, options, alg) => {
    const { privateKey } = generateKeyPairSync(kind, options);
    return { ...privateKey.export({ format: "jwk" }), kid: `${name}-${alg}`, alg, use: "sig" };
  };
  return [
    key("rsa", { modulusLength: 2048 }, "RS256"),
    key("rsa", { modulusLength: 2048 }, "PS256"),
    key("ec", { namedCurve: "P-256" }, "ES256"),
    key("ec", { namedCurve: "P-384" }, "ES384"),
    key("ed25519", {}, "EdDSA"),
  ];
}

if (!existsSync(file)) writeFileSync(file, JSON.stringify(made()));
const keys = JSON.parse(readFileSync(file, "utf8"));

const client = (id) => ({
  client_id: id,
  client_secret: `${id}-secret`,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
});

const server = createServer();
server.listen(Number(port), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: ["builder", "stranger"].map(client),
    jwks: { keys },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: "api",
          audience: "cascade",
          accessTokenTTL: 600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: new URL(resource).pathname.slice(1) } },
        }),
      },
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
