// The documentation page: one HTML text made from the contract, no script, nothing loaded from anywhere.
import { z } from "zod";
import { describeError, errorTable, type Code } from "../../core/errors.ts";
import { endpoints } from "../contract.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { errorsOf, openApiPath } from "./openapi.ts";

export const docsPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const style = `:root{color-scheme:light dark}body{font:16px/1.55 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #8886}h3{font:600 1rem ui-monospace,monospace;margin:1.6rem 0 .2rem}
p{margin:.2rem 0 .6rem}pre{overflow:auto;background:#8881;padding:.8rem;border-radius:4px;font-size:.85rem}
code{font-family:ui-monospace,monospace}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8884}.auth{opacity:.75;font-size:.9rem}`;

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function schema(title: string, type: z.ZodType | undefined): string {
  if (type === undefined) return "";
  const { $schema: _, ...json } = z.toJSONSchema(type, { io: "input", unrepresentable: "any" }) as Record<string, unknown>;
  return `<details><summary>${title}</summary><pre>${escapeHtml(JSON.stringify(json, null, 2))}</pre></details>`;
}

const authText = {
  none: "no authentication 无需认证",
  institution: "API key or client certificate API 密钥或客户端证书",
  party: "mutual TLS 双向 TLS",
  role: "key of a role 角色密钥",
} as const;

function section(name: string, endpoint: Endpoint): string {
  const codes = [...errorsOf(endpoint)]
    .flatMap(([status, list]) => list.map((code) => `<a href="#${code}">${code}</a> ${status}`))
    .join(", ");
  const headers = Object.entries(endpoint.headers ?? {})
    .map(([header, text]) => `<p><code>${header}</code>: ${escapeHtml(text)}</p>`)
    .join("");
  const raw =
    endpoint.rawBody === undefined
      ? ""
      : `<p>Body 请求体: <code>${endpoint.rawBody.media}</code>, at most 至多 ${endpoint.rawBody.maxBytes} bytes</p>`;
  const rawReply = endpoint.rawReply === undefined ? "" : `<p>Reply 应答: <code>${endpoint.rawReply.media}</code></p>`;
  return `<h3 id="${name}">${endpoint.method.toUpperCase()} ${escapeHtml(openApiPath(endpoint.path))}</h3>
<p>${escapeHtml(endpoint.summary.en)}<br>${escapeHtml(endpoint.summary.zh)}</p>
<p class="auth">${authText[endpoint.auth]}${endpoint.roles === undefined ? "" : `: ${endpoint.roles.join(", ")}`}</p>${headers}${raw}${rawReply}
${schema("Path 路径参数", endpoint.params)}${schema("Query 查询参数", endpoint.query)}
${schema("Body 请求体", endpoint.body)}${schema("Reply 应答", endpoint.reply)}
<p class="auth">Errors 错误: ${codes}</p>`;
}

export function docsPage(version: string): string {
  const list = Object.entries(endpoints) as [string, Endpoint][];
  const part = (listener: Endpoint["listener"]): string =>
    list
      .filter(([, e]) => e.listener === listener)
      .map(([name, e]) => section(name, e))
      .join("\n");
  const rows = (Object.keys(errorTable) as Code[]).map((code) => {
    const { status, en, zh } = describeError(code);
    return `<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${escapeHtml(en)}<br>${escapeHtml(zh)}</td></tr>`;
  });
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Yunei platform API 域内平台接口</title><style>${style}</style></head><body>
<h1>Yunei platform API 域内平台接口</h1>
<p>Version 版本 ${escapeHtml(version)} · <a href="/openapi.json">OpenAPI 3.1</a></p>
<p>Replies are JSON; refusals are <code>application/problem+json</code> with a code, a way out in both languages and a request id.
Results are sealed to the institution (JWE): the platform cannot read them.</p>
<p>应答为 JSON；拒绝以 <code>application/problem+json</code> 返回，含错误码、双语处理建议与请求编号。结果密封给机构（JWE），平台无法读取。</p>
<h2>For institutions 面向机构</h2>${part("bank")}<h2>For enclaves 面向节点</h2>${part("enclave")}
<h2>Error codes 错误码</h2><table><tr><th>Code</th><th>HTTP</th><th>Meaning 含义</th></tr>${rows.join("\n")}</table></body></html>`;
}
