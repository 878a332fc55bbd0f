// npm: openai@^6
import { createRequire } from "node:module";
import assert from "node:assert/strict";

const require = createRequire(process.env.NODE_PATH + "/");
const { OpenAI } = require("openai");
const client = new OpenAI({ baseURL: process.env.HAL0_URL + "/v1", apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Hello!" }];

const models = await client.models.list();
assert(models.data.some((model) => model.id === "primary"));

const whole = await client.chat.completions.create({ model: "primary", messages, temperature: 0 });
assert(whole.choices[0].message.content.length > 0);
assert(whole.usage.completion_tokens > 0);

let text = "";
let usage = null;
const stream = await client.chat.completions.create({
  model: "primary", messages, temperature: 0, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert(usage.completion_tokens > 0);

const vectors = await client.embeddings.create({ model: "embed", input: ["one", "two"] }); // asks for base64
assert.equal(vectors.data.length, 2);
assert(vectors.data[0].embedding.length > 100);

const answer = await client.responses.create({ model: "primary", input: "Hello!" });
assert(answer.output_text.length > 0);

await assert.rejects(
  client.chat.completions.create({ model: "no-such-model", messages }),
  (error) => error.status === 404 && error.code === "dispatch.no_route",
);

const left = new AbortController();
const long = await client.chat.completions.create(
  { model: "primary", messages, stream: true, max_tokens: 2000 }, { signal: left.signal },
);
for await (const chunk of long) {
  left.abort();
  break;
}
