// An organisation's own sign-in, as the tests need one: anybody may sign in under any name, and the name decides who
// they are. `node oidc_provider.mjs PORT REDIRECT_URI [CLIENT_SECRET] [HOST]`; without a secret the client is a public one.

import { Provider } from "oidc-provider";

const [port, redirectUri, secret, host] = process.argv.slice(2);
const issuer = `http://${host || "localhost"}:${port}`;

// Who is known: the name typed at sign-in is the subject. What has "unproven" in it has an address nobody has checked.
function claimsOf(subject) {
  return {
    sub: subject,
    email: `${subject.split("#")[0].replace("unproven-", "")}@example.org`,
    email_verified: !subject.includes("unproven"),
    name: subject,
  };
}

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "varde",
      ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  cookies: { keys: ["for tests only"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (context, subject) => ({ accountId: subject, claims: () => claimsOf(subject) }),
  pkce: { required: () => true },
  ttl: { AuthorizationCode: 3600 }, // of a minute, that a slow machine needs for one test
});

provider.listen(Number(port), "127.0.0.1");
