/** How the detail looks: a dialog on wide pages, a sheet from below on narrow ones. */
import { css, unsafeCSS } from 'lit'

/** CSS pixels; up to this width the dialog is one column. */
export const NARROW = 720
/** What is beside the statechart in the dialog: margin, border and padding of its two sides, CSS pixels. */
export const CHART_INSET = { wide: 74, narrow: 50 } as const

export const styles = css`
  :host { display: contents; }
  dialog {
    width: min(960px, calc(100% - 32px)); height: min(800px, calc(100% - 32px)); max-width: none; max-height: none;
    padding: 0; overflow: hidden; color: inherit; background: var(--capsule-overlay);
    border: 1px solid var(--capsule-border); border-radius: 12px; box-shadow: var(--capsule-shadow-dialog);
    container-type: inline-size;
  }
  dialog[open] { display: flex; flex-direction: column; animation: rise var(--capsule-slow) var(--capsule-ease); }
  dialog::backdrop { background: var(--capsule-scrim); }
  @keyframes rise { from { opacity: 0; transform: translateY(8px); } }
  header { padding: 16px 16px 14px 24px; flex: none; display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 4px 12px; }
  h2 { font-size: var(--capsule-text-l); line-height: var(--capsule-line-l); letter-spacing: -0.012em; }
  .names { min-width: 0; }
  .ids { gap: 6px; color: var(--capsule-muted); margin-top: 2px; min-width: 0; }
  .ids .button { height: 24px; width: 24px; }
  .actions { align-items: flex-start; }
  .refused { grid-column: 1 / -1; gap: 6px; padding-inline-end: 8px; color: var(--capsule-muted); justify-content: flex-end; }
  .body { flex: 1; min-height: 0; display: flex; flex-direction: column; }
  .chart {
    flex: none; margin: 0 24px; padding: 10px 12px 8px; overflow: hidden;
    background: var(--capsule-sunken); border: 1px solid var(--capsule-border); border-radius: var(--capsule-radius-l);
  }
  .statechart { display: block; max-width: 100%; margin-inline: auto; direction: ltr; overflow: visible; }
  .edge path { fill: none; stroke: var(--capsule-border-strong); stroke-width: 1; }
  .edge path.head { fill: var(--capsule-border-strong); stroke: none; }
  .edge.taken { animation: appear var(--capsule-slow) var(--capsule-ease); }
  .edge.taken path { stroke: var(--capsule-text); stroke-width: 1.75; }
  .edge.taken path.head { fill: var(--capsule-text); stroke: none; }
  @keyframes appear { from { opacity: 0; } }
  .statechart text { fill: var(--capsule-muted); font-size: 12px; font-variant-numeric: tabular-nums; }
  .statechart .label { paint-order: stroke; stroke: var(--capsule-sunken); stroke-width: 3px; stroke-linejoin: round; }
  .statechart .step .label { fill: var(--capsule-text); }
  .statechart .step .time { fill: var(--capsule-muted); }
  .step rect, .count rect { fill: var(--capsule-text); }
  .count rect { stroke: var(--capsule-sunken); stroke-width: 1.5; }
  .statechart .number, .statechart .count text {
    fill: var(--capsule-sunken); font-size: 11px; font-weight: var(--capsule-weight-strong); text-anchor: middle;
  }
  .state > rect { fill: var(--capsule-overlay); stroke: var(--capsule-border); }
  .state > text { font-size: 13px; }
  .strokes { fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
  .state { color: var(--capsule-muted); }
  .state.visited { color: var(--capsule-text); }
  .state.visited > rect { stroke: var(--capsule-text); stroke-width: 1.25; }
  .state.visited > text { fill: var(--capsule-text); font-weight: var(--capsule-weight-medium); }
  .state.current { color: var(--status); }
  .state.current > rect { fill: var(--tint); stroke: var(--status); stroke-width: 2; }
  .state.current > text { fill: var(--status); font-weight: var(--capsule-weight-strong); }
  .state.current .count rect { fill: var(--status); }
  .statechart.narrow .label, .statechart.narrow .number { font-size: 11px; }
  .statechart.narrow .state > text { font-size: 12px; }
  .tabs { flex: none; display: flex; gap: 20px; height: 42px; padding: 0 24px; border-bottom: 1px solid var(--capsule-border); }
  .tabs button {
    color: var(--capsule-muted); border-bottom: 2px solid transparent; margin-bottom: -1px;
    font-weight: var(--capsule-weight-medium);
  }
  .tabs button[aria-selected="true"] { color: var(--capsule-text); border-color: var(--capsule-accent); }
  .content { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) 288px; }
  .panel { overflow: auto; padding: 6px 12px 16px; overscroll-behavior: contain; }
  .event { display: grid; grid-template-columns: 16px minmax(0, 1fr) auto; gap: 0 12px; padding: 7px 12px; border-radius: var(--capsule-radius-m); }
  .event > .status-icon, .event > .kind { padding-top: 2px; }
  /* What is told of is over: only what runs now turns. */
  .event .arc { animation: none; }
  .event > .kind { color: var(--capsule-muted); }
  .event .who { color: var(--capsule-muted); overflow-wrap: anywhere; }
  .event .when { color: var(--capsule-muted); font-size: var(--capsule-text-xs); line-height: var(--capsule-line-s); display: flex; gap: 8px; align-items: center; height: 20px; }
  .facts { overflow: auto; border-inline-start: 1px solid var(--capsule-border); padding: 16px 24px 16px 20px; }
  dl { display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 7px 12px; }
  dl + dl { border-top: 1px solid var(--capsule-border); margin-top: 12px; padding-top: 12px; }
  dt { color: var(--capsule-muted); }
  dd { min-width: 0; overflow-wrap: anywhere; }
  dd.mono { line-height: var(--capsule-line-s); }
  .values { padding: 10px 12px; display: flex; flex-direction: column; gap: 16px; }
  .values h3 { font-weight: var(--capsule-weight-medium); margin-bottom: 6px; }
  pre {
    font: 0.75rem / 1.25rem var(--capsule-font-mono); white-space: pre-wrap; overflow-wrap: anywhere; padding: 10px 14px;
    background: var(--capsule-sunken); border: 1px solid var(--capsule-border); border-radius: var(--capsule-radius-m);
    direction: ltr; text-align: left;
  }
  .why { overflow-wrap: anywhere; margin-bottom: 8px; }
  .note { padding: 24px 12px; color: var(--capsule-muted); }

  @media (forced-colors: active) {
    .tabs button:not([aria-selected="true"]) { border-color: Canvas; }
    .statechart text, .statechart rect { forced-color-adjust: none; }
    .state.current > rect { fill: Highlight; stroke: Highlight; }
    .state.current { color: HighlightText; forced-color-adjust: none; }
    .state.current > text { fill: HighlightText; }
    .state.current .count rect { fill: CanvasText; }
  }
  @container (max-width: ${unsafeCSS(NARROW)}px) {
    header { padding: 16px; grid-template-columns: minmax(0, 1fr) auto; }
    .actions { grid-column: 1 / -1; grid-row: 2; flex-wrap: wrap; }
    .actions .shut { position: absolute; inset-block-start: 14px; inset-inline-end: 12px; }
    .names { padding-inline-end: 36px; grid-column: 1 / -1; }
    .refused { justify-content: flex-start; }
    .names > .row:not(.ids) { flex-wrap: wrap; }
    h2.truncate { white-space: normal; overflow-wrap: anywhere; }
    .tabs { padding: 0 16px; }
    .body { display: block; overflow: auto; overscroll-behavior: contain; }
    .chart { margin: 0 16px; padding-inline: 8px; }
    .tabs { position: sticky; top: 0; background: var(--capsule-overlay); }
    .content { display: block; }
    .panel { overflow: visible; padding: 6px 4px 0; }
    .facts { overflow: visible; border: 0; border-top: 1px solid var(--capsule-border); padding: 16px; }
    .button:not(.ids .button) { height: 36px; }
    .button.square:not(.ids .button) { width: 36px; }
  }
  @media (max-height: 640px) {
    .body { display: block; overflow: auto; overscroll-behavior: contain; }
    .panel, .facts { overflow: visible; }
  }
  @media (max-width: 752px) {
    dialog { width: 100%; height: 96%; margin: auto 0 0; border-radius: 12px 12px 0 0; }
  }
`
