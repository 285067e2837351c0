// The style sheet of the page. One custom property per role of a colour: charts use the same ones, so dark mode and
// print need no second rendering. Contrast of text is at least 4.5 : 1, of marks at least 3 : 1, on both grounds; the
// colours of parties stay apart for colour-blind readers and never carry meaning without a name beside them.

const partyColours = ["#2456c6", "#0a7f61", "#c2570c", "#8b46b8", "#b02a5b", "#5d7310", "#0f7f9e", "#7a5a3a"] as const;
const partyColoursDark = ["#7fa6ff", "#3fc79f", "#f5964a", "#c692ee", "#f2789f", "#a9c24b", "#4cc0df", "#cba883"] as const;

const light = `--page:#f3f5f8;--card:#fff;--ink:#17212e;--muted:#5a6675;--hairline:#dfe4ea;--stripe:#f7f9fb;--accent:#2456c6;--accent-soft:#e8eefb;
--joint:#2456c6;--alone:#b7660b;--good:#0a7558;--bad:#bb342e;--watch:#9a6200;--good-soft:#e2f4ee;--bad-soft:#fbe9e7;--watch-soft:#fdf1dc;--heat:36,86,198;--shade:23,33,46;
${partyColours.map((c, i) => `--party-${i}:${c}`).join(";")};`;
const dark = `--page:#10151c;--card:#18202a;--ink:#e8edf3;--muted:#9aa8b8;--hairline:#2c3845;--stripe:#1d2631;--accent:#8fb2ff;--accent-soft:#1f2c46;
--joint:#7fa6ff;--alone:#f0a44e;--good:#3fc79f;--bad:#ff8078;--watch:#f0b95c;--good-soft:#143329;--bad-soft:#3d201f;--watch-soft:#392c14;--heat:127,166,255;--shade:0,0,0;
${partyColoursDark.map((c, i) => `--party-${i}:${c}`).join(";")};`;

const perColour = (name: string): string => `.c-${name}{--key:var(--${name})}.f-${name}{fill:var(--${name})}.b-${name}{border-top-color:var(--${name})}`;
const colourClasses = ["joint", "alone", "good", "bad", "muted", "ink", ...partyColours.map((_, i) => `party-${i}`)].map(perColour).join("");
const heatClasses = Array.from({ length: 9 }, (_, i) => `.h${i}{background:rgba(var(--heat),${(0.03 + i * 0.04).toFixed(2)})}`).join("");

export const styleSheet = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{scroll-padding-top:4.5rem;-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.6 "Segoe UI",system-ui,-apple-system,"PingFang SC",
"Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC","Source Han Sans SC",sans-serif}
h1,h2,h3,p,ul,dl,figure{margin:0}
h1{font-size:clamp(1.7rem,4vw,2.4rem);line-height:1.2;letter-spacing:-.01em;font-weight:700}
h2{font-size:1.35rem;line-height:1.3;font-weight:650;margin:0 0 1rem;padding-top:.2rem}
h3{font-size:1rem;line-height:1.4;font-weight:650}
small{font-size:.82em;font-weight:400;color:var(--muted)}
code{font:.88em/1.4 ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"Noto Sans Mono CJK SC",monospace}
b{font-weight:650}
.muted{color:var(--muted)}
.switch{position:absolute;opacity:0;width:1px;height:1px;overflow:hidden}
#lang-zh:checked~* [lang=en],#lang-en:checked~* [lang=zh-CN]{display:none}
.top{position:sticky;top:0;z-index:5;background:var(--card);border-bottom:1px solid var(--hairline)}
.top-in{max-width:1180px;margin:auto;padding:.5rem 1.25rem;display:flex;gap:1rem;align-items:center}
.brand{font-weight:700;white-space:nowrap;color:var(--accent)}
.top nav{flex:1;min-width:0;overflow-x:auto;scrollbar-width:none;display:flex;gap:.2rem}.top nav a:first-child{margin-left:auto}
.top nav a{color:var(--muted);text-decoration:none;font-size:.87rem;padding:.25rem .55rem;border-radius:.4rem;white-space:nowrap}
.top nav a:hover{color:var(--ink);background:var(--stripe)}
.lang{display:flex;border:1px solid var(--hairline);border-radius:.5rem;overflow:hidden;flex:none}
.lang label{padding:.2rem .65rem;font-size:.85rem;cursor:pointer;color:var(--muted)}
#lang-zh:checked~.top label[for=lang-zh],#lang-en:checked~.top label[for=lang-en]{background:var(--accent-soft);color:var(--accent);
font-weight:650}
#lang-zh:focus-visible~.top label[for=lang-zh],#lang-en:focus-visible~.top label[for=lang-en],a:focus-visible,.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
main{max-width:1180px;margin:auto;padding:0 1.25rem 4rem}
.hero{padding:2.6rem 0 1.2rem}
.eyebrow{color:var(--accent);font-weight:650;font-size:.9rem;margin-bottom:.4rem}
.lead{font-size:clamp(1.05rem,2.2vw,1.25rem);line-height:1.55;max-width:52em;margin:.7rem 0 1.2rem;text-wrap:pretty}
.facts{display:flex;flex-wrap:wrap;gap:.6rem 2rem}
.facts dt{font-size:.8rem;color:var(--muted)}.facts dd{margin:0;overflow-wrap:anywhere}
section{padding-top:2.2rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:1rem;margin-bottom:1rem}
.tile,.card,figure{background:var(--card);border:1px solid var(--hairline);border-radius:.75rem}
.tile{padding:.9rem 1.05rem}
.tile-name{color:var(--muted);font-size:.87rem;display:flex;justify-content:space-between;gap:.5rem;align-items:center}
.pill{font-size:.75rem;border:1px solid var(--hairline);border-radius:1rem;padding:0 .5rem}
.tile-value{font-size:1.9rem;line-height:1.35;font-weight:700;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tile-detail{font-size:.83rem;color:var(--muted)}
.delta{font-size:.95rem;font-weight:650;margin-left:.5rem;letter-spacing:0;white-space:nowrap}.delta.up{color:var(--good)}
.delta.flat{color:var(--muted)}
.card{padding:1.05rem 1.15rem;margin-bottom:1rem}
.card>h3{margin-bottom:.6rem}.card>.facts,.card>.legend{margin-bottom:1rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:1rem}
.pair>.card,.figures>.card{margin:0;min-width:0}
.pair{margin-bottom:1rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:1rem;margin-bottom:1rem}
.figures.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,280px),1fr));margin-top:.7rem}
figure{padding:1rem 1.15rem .8rem;min-width:0}
.wide{margin-bottom:1rem}
figcaption{margin-bottom:.3rem}.small h3{font-size:.92rem;overflow-wrap:anywhere}
.chart svg{display:block;width:100%;height:auto;font-family:inherit;font-size:12px;font-variant-numeric:tabular-nums}
.small .chart svg{max-width:26rem;margin:auto}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;font-size:.83rem;color:var(--muted);margin-top:.15rem}
.legend li{display:flex;align-items:center}.legend small{margin-left:.4em}
.key{display:inline-block;flex:none;margin-right:.45em;vertical-align:.05em}
.key.box{width:.72em;height:.72em;border-radius:.18em;background:var(--key)}
.key.line,.key.dashed,.key.dotted{width:1.5em;border-top:.2em solid var(--key);vertical-align:.25em}
.key.dashed{border-top-style:dashed;border-top-width:.14em}.key.dotted{border-top-style:dotted;border-top-width:.14em}
.key.diamond{width:.6em;height:.6em;background:var(--key);transform:rotate(45deg)}
.bar{display:block;width:100%;min-width:4rem;height:.8rem;border-radius:.4rem;background:var(--hairline)}
td .bar{height:.4rem;margin-top:.3rem}
.scroll{overflow:auto;max-height:34rem;margin:0 -.3rem;padding:0 .3rem;
background:linear-gradient(var(--card) 40%,transparent) 0 0/100% 2.2rem no-repeat local,
linear-gradient(transparent,var(--card) 60%) 0 100%/100% 2.2rem no-repeat local,
linear-gradient(rgba(var(--shade),.16),transparent) 0 0/100% .7rem no-repeat scroll,
linear-gradient(transparent,rgba(var(--shade),.16)) 0 100%/100% .7rem no-repeat scroll}
.scroll.whole{max-height:none}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.88rem}
caption{text-align:left;font-weight:650;font-size:1rem;padding:0 0 .5rem;position:sticky;left:0}
th,td{padding:.42rem .65rem;text-align:left;border-bottom:1px solid var(--hairline);vertical-align:top;white-space:nowrap}
th.w,td.w{white-space:normal;min-width:9em}td.w{min-width:15em}
th:first-child,td:first-child{padding-left:.2rem}
thead th{position:sticky;top:0;z-index:1;background:var(--card);color:var(--muted);font-weight:600;font-size:.81rem;
vertical-align:bottom;border-bottom:1.5px solid var(--hairline)}
tbody th{font-weight:500}
.n{text-align:right;font-variant-numeric:tabular-nums}
tbody tr:last-child>*{border-bottom:0}
tbody tr:hover>*{background:var(--stripe)}
tr.pale-row>*{color:var(--muted)}
tr.group:not(:first-child)>*{border-top:1.5px solid var(--hairline)}
tr.alarm>*{background:var(--bad-soft)}
.ditto{opacity:.45}
.digest{overflow-wrap:anywhere}
.heat{display:block;margin:-.2rem -.35rem;padding:.2rem .35rem;border-radius:.35rem}.heat small{display:block;line-height:1.2;
color:var(--ink)}
.badge{display:inline-block;white-space:nowrap;font-size:.82rem;font-weight:550;border-radius:1rem;padding:.02rem .6rem}
.badge.good{color:var(--good);background:var(--good-soft)}.badge.watch{color:var(--watch);background:var(--watch-soft)}
.badge.bad{color:var(--bad);background:var(--bad-soft)}
.badge b{font-weight:700}
.tile-detail .badge{padding:.05rem .5rem}.tile .badge,.verdict .badge{white-space:normal;border-radius:.5rem}
.verdict{margin-bottom:1rem}.verdict .badge{font-size:.95rem;padding:.3rem .8rem}
.note{font-size:.84rem;color:var(--muted);margin-top:.6rem;max-width:75em;text-wrap:pretty}
.remarks{list-style:none;padding:.7rem 1rem;margin-bottom:1rem;background:var(--watch-soft);border-radius:.75rem;font-size:.9rem}
.learned{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:1rem;margin-bottom:1rem}
.party-card{border-top:3px solid;margin:0;display:flex;flex-direction:column;font-size:.92rem}.party-card .count{margin-top:auto;
padding-top:.6rem}.count b{font-size:1.25rem;font-variant-numeric:tabular-nums}
.plain{padding-left:1.1rem}.plain li{margin:.25rem 0}
details.card>summary{cursor:pointer;font-weight:650}details.card[open]>summary{margin-bottom:.7rem}
.glossary{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:.8rem 2rem}
.glossary dt{font-weight:650}.glossary dd{margin:0;color:var(--muted);font-size:.9rem}
footer{margin-top:2.5rem;padding-top:1rem;border-top:1px solid var(--hairline);color:var(--muted);font-size:.84rem}
${colourClasses}${heatClasses}
@media (max-width:640px){body{font-size:14.5px}main{padding:0 .9rem 3rem}.top-in{padding:.45rem .9rem;gap:.6rem}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:.6rem}.tile{padding:.7rem .8rem}.tile-value{font-size:1.4rem}
.delta{display:block;margin:0;line-height:1.2}.card,figure{padding-left:.85rem;padding-right:.85rem}.wide .chart{overflow-x:auto}
.wide .chart svg{min-width:620px}}
@media print{:root{color-scheme:light;${light}--page:#fff}body{font-size:10.5pt}.top,.switch{display:none}main{max-width:none;
padding:0}.scroll{max-height:none;overflow:visible;background:none}h2,h3{break-after:avoid}thead th{position:static}
.tile,.card,figure{break-inside:avoid}.scroll table{break-inside:auto}tr{break-inside:avoid}section{padding-top:1.2rem}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`.trim().replaceAll(/\n+/gu, "");
