"""How the page looks: one column of sections, readable from 400 to 1400 pixels wide."""

STYLE = """
:root { color-scheme: light; --ink: #1f2933; --muted: #52606d; --line: #d9dee3; --accent: #0072b2; --bad: #b34700; }
* { box-sizing: border-box; }
html { overflow-y: scroll; } /* one that comes later would leave the plot too wide */
.plot { overflow: hidden; }
body { margin: 0; background: #f7f8fa; color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
h3 { font-size: 0.95rem; margin: 16px 0 4px; }
p { margin: 4px 0 12px; max-width: 78ch; overflow-wrap: anywhere; }
a { color: var(--accent); }
.muted { color: var(--muted); font-size: 0.875rem; }
section { background: white; border: 1px solid var(--line); border-radius: 8px; padding: 16px; margin-top: 16px; }
.verdict { border-left: 6px solid var(--accent); font-size: 1.1rem; }
.verdict.missed { border-left-color: var(--bad); }
.verdict p { margin: 0; max-width: none; }
.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 16px; margin-top: 16px; }
.key div { border-top: 1px solid var(--line); padding-top: 8px; }
.key b { display: block; font-size: 1.4rem; font-weight: 600; line-height: 1.3; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 16px; }
@media (min-width: 900px) { .pair { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
td:first-child, th:first-child { padding-left: 0; }
.number { text-align: right; }
th.number { min-width: 6em; }
td.number, td.word { white-space: nowrap; }
td.wrapped { min-width: 15em; }
.strong td { font-weight: 600; background: #eef5fa; }
dl { margin: 0; font-size: 0.875rem; }
dl div { display: flex; gap: 12px; justify-content: space-between; padding: 4px 0; border-bottom: 1px solid var(--line); }
dt { color: var(--muted); flex: none; max-width: 50%; }
dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.architecture { display: block; width: 100%; max-width: 460px; margin-top: 8px; font-family: inherit; }
summary { cursor: pointer; margin: 12px 0 8px; font-size: 0.875rem; color: var(--accent); }
pre { background: #f2f4f7; border-radius: 6px; padding: 10px 12px; margin: 0; overflow-x: auto; font: 0.8125rem/1.5 ui-monospace, Consolas, monospace; }
"""
