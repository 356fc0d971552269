/** How the board looks: columns side by side where there is room, one under tabs where there is not. */
import { css } from 'lit'

export const styles = css`
  :host {
    display: flex; flex-direction: column; position: relative; min-height: 0; min-width: 0; overflow: hidden;
    height: var(--capsule-board-height, 40rem); background: var(--capsule-surface); container: board / inline-size;
  }
  .head { display: flex; align-items: center; gap: 12px; min-height: 56px; padding: 0 20px; flex: none; }
  .head h2 { font-size: var(--capsule-text-l); line-height: var(--capsule-line-l); letter-spacing: -0.012em; }
  .head .total { color: var(--capsule-muted); }
  .filters { display: flex; align-items: center; gap: 8px; padding: 8px 20px 14px; flex: none; flex-wrap: wrap; }
  .filters .field { width: 300px; flex: 0 1 auto; min-width: 0; }
  .chips { display: flex; align-items: center; gap: 8px; flex-wrap: wrap; }
  .chip {
    display: inline-flex; align-items: center; gap: 6px; height: 28px; padding: 0 10px; max-width: 220px; flex: none;
    border-radius: var(--capsule-radius-full); border: 1px solid var(--capsule-border); background: var(--capsule-raised);
    white-space: nowrap; transition: background var(--capsule-fast);
  }
  .chip:hover { background: var(--capsule-hover); }
  .chip.on {
    border-color: transparent; background: var(--capsule-accent-soft); color: var(--capsule-accent);
    font-weight: var(--capsule-weight-medium);
  }
  .tabs { display: none; }

  .columns {
    flex: 1; min-height: 0; display: grid; grid-auto-flow: column; grid-auto-columns: minmax(200px, 1fr); gap: 12px;
    padding: 0 20px 16px; overflow: auto hidden; position: relative; overscroll-behavior-x: contain;
  }
  .column {
    display: flex; flex-direction: column; min-height: 0; min-width: 0; background: var(--capsule-sunken);
    border-radius: var(--capsule-radius-l); contain: layout style; container-type: inline-size;
  }
  .column > header { display: flex; align-items: center; gap: 8px; height: 37px; padding: 3px 8px 0 12px; flex: none; }
  .column h3 { font-weight: var(--capsule-weight-medium); }
  .column .count { color: var(--capsule-muted); }
  .list {
    flex: 1; min-height: 0; overflow: hidden auto; overflow-anchor: none; padding: 4px 8px 0; position: relative;
    scrollbar-width: thin; scrollbar-color: var(--capsule-border) transparent;
  }
  .list .none { padding: 4px; color: var(--capsule-muted); font-size: var(--capsule-text-xs); line-height: var(--capsule-line-xs); }
  .column > footer {
    flex: none; display: flex; justify-content: space-between; gap: 8px; padding: 6px 12px 8px; color: var(--capsule-muted);
    border-top: 1px solid var(--capsule-border); font-size: var(--capsule-text-xs); line-height: var(--capsule-line-xs);
    white-space: nowrap; overflow: hidden; min-height: 31px;
  }

  .card {
    position: relative; display: grid; grid-template-columns: 16px minmax(0, 1fr) auto; gap: 0 8px; padding: 8px 10px;
    margin-bottom: 6px; background: var(--capsule-raised); border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-m); contain: layout style;
  }
  .card:hover { border-color: var(--capsule-border-strong); }
  .card.selected {
    border-color: var(--capsule-accent); box-shadow: inset 0 0 0 1px var(--capsule-accent);
    background: var(--capsule-accent-soft);
  }
  .card:has(.open:focus-visible) { outline: 2px solid var(--capsule-focus); outline-offset: 2px; z-index: 1; }
  .open { font-weight: var(--capsule-weight-medium); display: block; }
  .open:focus-visible { outline: none; }
  .open::after { content: ""; position: absolute; inset: 0; border-radius: inherit; }
  .pick {
    position: relative; z-index: 1; display: grid; place-items: center; width: 32px; height: 32px; margin: -6px -8px -8px;
    border-radius: var(--capsule-radius-m);
  }
  .pick:hover { background: var(--capsule-hover); }
  .tick {
    width: 16px; height: 16px; border-radius: var(--capsule-radius-s); background: var(--capsule-accent);
    color: var(--capsule-on-accent); display: grid; place-items: center;
  }
  .tick .icon { width: 12px; height: 12px; stroke-width: 3; }
  .card .fact {
    color: var(--capsule-muted); font-size: var(--capsule-text-xs); line-height: var(--capsule-line-s); white-space: nowrap;
  }
  .card .sub {
    grid-column: 2 / -1; display: flex; justify-content: space-between; gap: 6px; min-width: 0;
    color: var(--capsule-muted); line-height: 18px;
  }
  .card .sub .mono { font-size: 0.71875rem; }
  .card .bar { grid-column: 2 / -1; height: 3px; margin: 6px 0 3px; }
  .card .why {
    grid-column: 2 / -1; font-size: var(--capsule-text-xs); line-height: var(--capsule-line-xs); margin-top: 3px;
    display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; overflow-wrap: anywhere;
  }
  .card.waiting { height: 56px; grid-template-columns: 60% 1fr; align-content: center; gap: 8px; border-style: dashed; background: none; }
  .card.waiting span { height: 8px; border-radius: 4px; background: var(--capsule-hover); }
  .card.waiting span + span { grid-row: 2; width: 60%; }
  .stage { position: absolute; inset: 0; overflow: hidden; pointer-events: none; z-index: 2; }

  .float {
    position: absolute; inset-inline: 0; bottom: 60px; display: flex; flex-direction: column; align-items: center; gap: 8px;
    pointer-events: none; z-index: 3;
  }
  .bulk, .said {
    pointer-events: auto; display: flex; align-items: center; gap: 4px; min-height: 44px; padding: 0 6px 0 16px;
    border-radius: var(--capsule-radius-l); background: var(--capsule-inverse); color: var(--capsule-on-inverse);
    box-shadow: var(--capsule-shadow-float); max-width: calc(100% - 24px); animation: rise var(--capsule-base) var(--capsule-ease);
  }
  @keyframes rise { from { opacity: 0; transform: translateY(8px); } }
  .bulk > .num { white-space: nowrap; }
  .bulk .rule { width: 1px; height: 20px; background: currentColor; opacity: 0.2; margin: 0 8px; flex: none; }
  .float button {
    height: 32px; padding: 0 10px; border-radius: var(--capsule-radius-m); font-weight: var(--capsule-weight-medium);
    display: inline-flex; gap: 6px; align-items: center; white-space: nowrap;
  }
  .float button:focus-visible { outline-color: currentColor; outline-offset: -2px; }
  .float button:not([aria-disabled="true"]):hover { background: rgb(128 128 128 / 0.25); }
  .float button[aria-disabled="true"] { color: var(--capsule-on-inverse-muted); font-weight: var(--capsule-weight); cursor: not-allowed; }
  .float .reason { text-decoration: underline dotted; text-underline-offset: 3px; color: var(--capsule-on-inverse-muted); font-weight: var(--capsule-weight); }
  .said { padding-block: 8px; gap: 10px; }

  .menu {
    position: fixed; inset: auto; margin: 0; padding: 4px; min-width: 180px; max-width: 320px; max-height: 320px; overflow: auto;
    background: var(--capsule-overlay); color: var(--capsule-text); border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-l); box-shadow: var(--capsule-shadow-float);
  }
  .menu button {
    display: flex; align-items: center; gap: 8px; width: 100%; min-height: 32px; padding: 0 12px 0 8px;
    border-radius: var(--capsule-radius-m);
  }
  .menu button:hover, .menu button:focus-visible { background: var(--capsule-hover); outline-offset: -2px; }
  .menu .mark { width: 14px; flex: none; color: var(--capsule-accent); }
  .menu p { padding: 6px 12px; }

  .blank { gap: 20px; }
  .blank h3 + p { margin-top: 8px; }
  .ghosts { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 8px; }
  .ghosts div {
    display: flex; justify-content: space-between; gap: 4px; height: 84px; padding: 8px 12px; color: var(--capsule-muted);
    background: var(--capsule-sunken); border-radius: var(--capsule-radius-l);
  }
  .code {
    display: flex; align-items: flex-start; gap: 8px; padding: 10px 10px 10px 14px; background: var(--capsule-sunken);
    border: 1px solid var(--capsule-border); border-radius: var(--capsule-radius-l);
  }
  .code .button { margin-block: -4px; }
  .code pre { font: 0.75rem / 1.25rem var(--capsule-font-mono); overflow-x: auto; }
  .only-narrow { display: none; }

  /* A narrow column: the title has its line to itself, the fact takes the place of the id. */
  @container (max-width: 236px) {
    .card .open { grid-column: 2 / -1; }
    .card .bar { grid-row: 2; }
    .card .sub { grid-row: 3; grid-column: 2; }
    .card .sub .id { display: none; }
    .card .fact { grid-row: 3; grid-column: 3; line-height: 18px; }
    .card .why { grid-row: 4; }
    .column > footer .order { display: none; }
  }
  @container board (max-width: 640px) {
    .only-wide, .float .only-wide { display: none; }
    .only-narrow { display: inline-flex; }
    .ghosts div { padding-inline: 8px; }
    .head { min-height: 52px; padding: 0 16px; }
    .filters { padding: 4px 16px 10px; }
    .filters .field { flex: 1; width: auto; height: 40px; }
    .filters > .button { height: 40px; width: 40px; }
    .chips:not(.shown) { display: none; }
    .chips { width: 100%; }
    .chip { height: 36px; }
    .tabs { display: flex; gap: 4px; padding: 2px 16px 10px; flex: none; overflow-x: auto; scrollbar-width: none; }
    .tabs button {
      flex: none; height: 36px; padding: 0 10px; border-radius: var(--capsule-radius-full); display: flex; align-items: center;
      gap: 6px; color: var(--capsule-muted); font-weight: var(--capsule-weight-medium);
    }
    .tabs button[aria-selected="true"] { background: var(--capsule-hover); color: var(--capsule-text); }
    .tabs button:focus-visible { outline-offset: -2px; }
    .columns { padding: 0; grid-auto-columns: minmax(0, 1fr); overflow: hidden; }
    .column { border-radius: 0; }
    .column:not(.here) { display: none; }
    .column > header { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
    .list { padding: 12px 16px 0; }
    .card { padding: 11px 12px; margin-bottom: 8px; }
    .column > footer { padding-inline: 16px; }
    .bulk { align-self: stretch; max-width: none; margin: 0 12px; flex-wrap: wrap; }
    .bulk .rule { margin: 0 2px; }
    .float { bottom: 36px; }
    .bulk .end { margin-inline-start: auto; }
    .float button { height: 40px; }
    .menu button { min-height: 40px; }
  }
  @media (forced-colors: active) {
    .card.selected, .chip.on, .tabs button[aria-selected="true"] { outline: 2px solid Highlight; outline-offset: -2px; }
    .bulk, .said { border: 1px solid CanvasText; }
    .tick { forced-color-adjust: none; background: Highlight; color: HighlightText; }
  }
  @media (prefers-reduced-motion: reduce) {
    .bulk, .said { animation: none; }
  }
`
