"""How the page looks: light and dark, on a telephone and on a wide screen."""

from pathlib import Path

from meq.console import graph

_GRAPH = Path(graph.__file__).with_name("static") / "graph.css"

_OWN = """
:root{--paper:#fff;--ink:#1b1f24;--quiet:#57606a;--line:#d8dee4;--raised:#f6f8fa;
--live:#1d5fd1;--released:#7a3cc2;--redriven:#b5460f;--history:#0b6e66}
@media (prefers-color-scheme:dark){:root{--paper:#0f1419;--ink:#e6edf3;--quiet:#9aa7b4;--line:#30363d;--raised:#171d24;
--live:#2f6fd8;--released:#8b52d6;--redriven:#bd5a1e;--history:#11796f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1400px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;line-height:1.2;margin:.2em 0}h2{font-size:1.15rem;margin:1.6em 0 .5em}
h3{font-size:1rem;margin:0 0 .5em}
p{margin:.3em 0 .6em;max-width:75ch}.note,.at{color:var(--quiet);font-size:.87rem}code{font-size:.9em;
overflow-wrap:anywhere}
header .note{max-width:none}
.scroll{overflow-x:auto}.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--live);outline-offset:2px}
.verdicts,.legend{list-style:none;margin:.8em 0;padding:0;display:grid;gap:2px 24px;
grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr))}
.kept b{color:var(--good)}.broken b{color:var(--bad)}
.legend li{display:flex;gap:8px;align-items:center;font-size:.87rem}.legend svg{flex:none}
summary .at{font-weight:400}
.story{padding-left:1.6em;margin:0;columns:2 420px;column-gap:40px}.story li{break-inside:avoid;margin-bottom:.6em}
.timeline{display:flex;border:1px solid var(--line);border-radius:8px;padding:8px 0 4px 8px}
.timeline .names{flex:none}.timeline .scroll{flex:1;min-width:0}
svg{display:block;max-width:none}svg text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
svg .panel{font-weight:700;font-size:13px}svg .told,svg .tick{fill:var(--quiet);font-size:11px}
svg .tick,svg .step text,svg .dot text{text-anchor:middle}
.row{stroke:var(--line)}.step line{stroke:var(--quiet);stroke-dasharray:2 4;opacity:.7}
.step circle{fill:var(--ink)}svg .step text{fill:var(--paper);font-weight:700;font-size:11px}
.dot{fill:var(--live);color:var(--live)}.dot.released{fill:var(--released);color:var(--released)}
.dot.redriven{fill:var(--redriven);color:var(--redriven)}.dot.history{fill:var(--history);color:var(--history)}
.dot.foreign{fill:var(--bad);color:var(--bad)}svg .dot text{fill:#fff;font-size:10px;font-weight:600}
svg .dot.foreign text{fill:var(--paper)}
.dot.held{color:var(--released)}.dot.held circle{fill:var(--paper);stroke:var(--released);stroke-width:1.5}
svg .dot.held text{fill:var(--ink)}
.bar{color:var(--redriven)}.bar.quarantined{color:var(--released)}.bar.history{color:var(--history)}
.bar rect{fill:currentColor;fill-opacity:.2;stroke:currentColor}.bar.elsewhere rect{fill-opacity:.07;
stroke-dasharray:3 3}
svg .bar text{font-size:10.5px}svg .bar .before{text-anchor:end}
details{border-top:1px solid var(--line);padding:6px 0}summary{cursor:pointer;font-weight:600}
table{border-collapse:collapse;font-size:.87rem;margin:.4em 0}th,td{text-align:left;padding:3px 14px 3px 0;
vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
td:last-child{white-space:normal;min-width:340px}th{color:var(--quiet);font-weight:600}
.paths{display:grid;gap:24px;grid-template-columns:minmax(0,1fr)}
svg .told,svg .before,svg .behind{paint-order:stroke;stroke:var(--paper);stroke-width:4px}
details p{max-width:none}
dl{margin:0;display:grid;grid-template-columns:max-content minmax(0,1fr);gap:0 12px;font-size:.87rem}
dt{font-weight:600}dd{margin:0}
.failed{color:var(--bad);font-weight:600}
@media (max-width:560px){main{padding:12px}body{font-size:14px}dl{grid-template-columns:1fr}dd{margin-bottom:.4em}}
"""

STYLE = f"{_GRAPH.read_text('utf-8')}{_OWN}"
