/** How schedules look: rows in columns where there is room, blocks under each other where there is not. */
import { css } from 'lit'

export const styles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
    min-height: 0;
    background: var(--capsule-surface);
    container: schedules / inline-size;
  }
  header {
    display: flex;
    align-items: center;
    gap: 12px;
    min-height: 56px;
    flex: none;
    padding: 0 20px;
  }
  h2 {
    font-size: var(--capsule-text-l);
    line-height: var(--capsule-line-l);
    letter-spacing: -0.012em;
  }
  header .field {
    width: 240px;
  }
  .list {
    flex: 1;
    min-height: 0;
    overflow-y: auto;
    padding: 4px 20px 24px;
    scrollbar-width: thin;
  }
  .columns {
    display: grid;
    grid-template-columns: 28px minmax(0, 1.25fr) minmax(0, 1.15fr) 156px minmax(0, 404px) 132px;
    gap: 0 14px;
    align-items: center;
    padding-inline: 8px 12px;
  }
  .columns:not(.one) {
    padding-block: 8px;
    border-block-end: 1px solid var(--capsule-border);
  }
  .list > ul > li {
    border-block-end: 1px solid var(--capsule-border);
  }
  .list > ul > li.open {
    background: var(--capsule-raised);
  }
  .one {
    padding-block: 10px;
  }
  .name,
  .when,
  .next,
  .past {
    min-width: 0;
  }
  h3 {
    font-weight: var(--capsule-weight-medium);
    overflow-wrap: anywhere;
  }
  .mono {
    line-height: var(--capsule-line-s);
  }
  .next time {
    display: block;
  }
  .strip {
    display: flex;
    gap: 3px;
    align-items: center;
    height: var(--capsule-line-s);
  }
  .strip i {
    position: relative;
    flex: 0 1 10px;
    min-width: 3px;
    height: 18px;
    border-radius: 2px;
    background: var(--status);
  }
  .strip .completed {
    background: color-mix(in srgb, var(--status) 42%, transparent);
  }
  .strip .failed::after,
  .strip .timeout::after {
    content: '';
    position: absolute;
    inset: auto 0 -4px;
    height: 2px;
    border-radius: 1px;
    background: var(--status);
  }
  .strip :is(.running, .retry, .pending, .scheduled, .due) {
    background: var(--tint);
    border: 1.5px solid var(--status, var(--capsule-border-strong));
  }
  .strip .skipped {
    height: 12px;
    background: none;
    border: 1.5px dashed var(--capsule-border-strong);
  }
  .strip .none {
    height: 12px;
    background: var(--capsule-hover);
  }
  .actions {
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: 6px;
  }
  .refused {
    grid-column: 2 / -1;
    display: flex;
    align-items: center;
    gap: 6px;
    padding-block-start: 6px;
  }
  .details {
    display: grid;
    grid-template-columns: minmax(0, 1fr) 280px;
    gap: 8px 32px;
    padding: 4px 12px 20px 50px;
  }
  .details h4 {
    padding-block-end: 4px;
  }
  .details li {
    display: grid;
    grid-template-columns: 16px 168px 128px minmax(0, 1fr) auto;
    gap: 0 12px;
    align-items: center;
    min-height: 36px;
    border-block-end: 1px solid var(--capsule-border);
  }
  .details li:last-child {
    border-block-end: 0;
  }
  dl {
    display: grid;
    grid-template-columns: 88px minmax(0, 1fr);
    gap: 8px 12px;
    align-content: start;
  }
  dt {
    color: var(--capsule-muted);
  }
  .blank pre {
    margin-block-start: 12px;
    padding: 10px 14px;
    border: 1px solid var(--capsule-border);
    border-radius: var(--capsule-radius-l);
    background: var(--capsule-sunken);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }

  @container schedules (max-width: 1040px) {
    .columns {
      grid-template-columns: 28px minmax(0, 1.2fr) minmax(0, 1fr) 148px 132px;
    }
    .columns:not(.one) > :nth-child(5) {
      display: none;
    }
    .one .past {
      grid-column: 2 / 5;
      grid-row: 2;
    }
    .one .actions {
      grid-column: 5;
      grid-row: 1;
    }
    .details {
      grid-template-columns: minmax(0, 1fr);
    }
  }
  @container schedules (max-width: 640px) {
    header {
      padding: 0 16px;
    }
    header .field {
      flex: 1;
      width: auto;
      min-width: 0;
    }
    .list {
      padding: 0 0 16px;
    }
    .columns:not(.one) {
      display: none;
    }
    .one {
      grid-template-columns: 28px minmax(0, 1fr) auto;
      gap: 4px 8px;
      padding: 12px 16px 12px 8px;
    }
    .one .when {
      grid-column: 2 / -1;
      grid-row: 2;
    }
    .one .next {
      grid-column: 3;
      grid-row: 1;
      text-align: end;
    }
    .next time {
      display: none;
    }
    .one .past {
      grid-column: 2 / -1;
      grid-row: 3;
    }
    .one .actions {
      grid-column: 2 / -1;
      grid-row: 4;
      justify-content: flex-start;
      padding-block-start: 4px;
    }
    .strip {
      gap: 2px;
    }
    .details {
      padding: 0 16px 16px 44px;
    }
    .details li {
      grid-template-columns: 16px minmax(0, 1fr) auto auto;
      padding-block: 6px;
    }
    .details .why {
      grid-column: 2 / -1;
      grid-row: 2;
    }
    .details .why:empty {
      display: none;
    }
  }
  @media (pointer: coarse) {
    .button.small {
      min-width: 40px;
      height: 40px;
    }
    .columns {
      column-gap: 8px;
    }
  }
  @media (forced-colors: active) {
    .strip i {
      forced-color-adjust: none;
      border: 1px solid CanvasText;
    }
  }
`
