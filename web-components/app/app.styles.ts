/** The shell's layout: navigation, conversations, content; on a narrow shell the navigation is below, the list a drawer. */
import { css } from 'lit'

export const styles = css`
  :host {
    display: block;
    height: 100vh;
    height: 100dvh;
    background: var(--capsule-surface);
  }
  .shell {
    display: grid;
    grid-template-columns: 72px minmax(0, 1fr);
    height: 100%;
  }
  .shell.with-sidebar {
    grid-template-columns: 72px 256px minmax(0, 1fr);
  }
  main {
    position: relative;
    min-width: 0;
    min-height: 0;
    overflow: hidden;
    display: flex;
    flex-direction: column;
  }
  main > :not(.sr, .banner) {
    flex: 1;
    min-height: 0;
  }
  .skip {
    position: absolute;
    inset-block-start: 8px;
    inset-inline-start: 8px;
    z-index: 3;
  }
  .skip:not(:focus-visible) {
    clip-path: inset(50%);
    width: 1px;
    height: 1px;
    padding: 0;
    overflow: hidden;
  }

  nav {
    display: flex;
    flex-direction: column;
    align-items: center;
    gap: 4px;
    min-height: 0;
    overflow-y: auto;
    padding: 14px 4px 12px;
    background: var(--capsule-sunken);
    border-inline-end: 1px solid var(--capsule-border);
    scrollbar-width: none;
  }
  .mark {
    display: block;
    width: 28px;
    height: 28px;
    margin-block-end: 14px;
    flex: none;
  }
  nav :is(a, .theme) {
    display: flex;
    flex-direction: column;
    align-items: center;
    gap: 3px;
    width: 64px;
    flex: none;
    padding: 8px 0 6px;
    border-radius: var(--capsule-radius-m);
    color: var(--capsule-muted);
    font-size: 0.6875rem;
    line-height: 14px;
    font-weight: var(--capsule-weight-medium);
    text-decoration: none;
    transition: background var(--capsule-fast);
  }
  nav span.truncate {
    max-width: 100%;
  }
  nav :is(a, .theme):hover {
    background: var(--capsule-hover);
  }
  nav a[aria-current] {
    background: var(--capsule-accent-soft);
    color: var(--capsule-accent);
  }
  .theme {
    margin-block-start: auto;
  }

  .sidebar {
    display: flex;
    flex-direction: column;
    min-height: 0;
    background: var(--capsule-surface);
    border-inline-end: 1px solid var(--capsule-border);
  }
  .sidebar-head {
    display: flex;
    align-items: center;
    height: 56px;
    flex: none;
    padding: 0 12px 0 16px;
  }
  .find {
    margin: 0 12px 8px;
    flex: none;
  }
  .conversations {
    flex: 1;
    min-height: 0;
    overflow-y: auto;
    padding-block-end: 12px;
    scrollbar-width: thin;
  }
  .conversations h3 {
    padding: 12px 16px 4px;
    font-weight: var(--capsule-weight);
  }
  .conversations a {
    display: grid;
    grid-template-columns: minmax(0, 1fr) auto;
    gap: 0 8px;
    margin: 0 8px;
    padding: 8px;
    border-radius: var(--capsule-radius-m);
    color: inherit;
    text-decoration: none;
  }
  .conversations a:hover {
    background: var(--capsule-hover);
  }
  .conversations a:focus-visible {
    outline-offset: -2px;
  }
  .conversations a[aria-current] {
    background: var(--capsule-hover);
  }
  .conversations a[aria-current] .title {
    font-weight: var(--capsule-weight-medium);
  }
  .conversations time {
    line-height: var(--capsule-line-s);
  }
  .work {
    grid-column: 1 / -1;
    display: flex;
    align-items: center;
    gap: 6px;
    line-height: 18px;
  }
  .none {
    padding: 8px 16px;
  }

  .banner {
    position: absolute;
    inset-block-start: 10px;
    inset-inline: 12px;
    margin-inline: auto;
    width: fit-content;
    max-width: calc(100% - 24px);
    z-index: 2;
    display: flex;
    align-items: center;
    gap: 12px;
    flex: none;
    min-height: 36px;
    padding: 0 6px 0 14px;
    border-radius: var(--capsule-radius-full);
    background: var(--capsule-inverse);
    color: var(--capsule-on-inverse);
    box-shadow: var(--capsule-shadow-float);
  }
  .banner button,
  .banner a {
    min-height: 28px;
    padding: 0 10px;
    line-height: 28px;
    color: inherit;
    border-radius: var(--capsule-radius-full);
    font-weight: var(--capsule-weight-medium);
    text-decoration: underline;
    text-underline-offset: 3px;
    white-space: nowrap;
  }

  .shell.narrow {
    grid-template-columns: minmax(0, 1fr);
    grid-template-rows: minmax(0, 1fr) auto;
  }
  .narrow nav {
    grid-row: 2;
    flex-direction: row;
    justify-content: space-around;
    overflow: auto hidden;
    padding: 6px 8px max(6px, env(safe-area-inset-bottom));
    border-inline-end: 0;
    border-block-start: 1px solid var(--capsule-border);
  }
  .narrow nav :is(a, .theme) {
    flex: 1 1 64px;
    min-width: 56px;
    max-width: 120px;
    width: auto;
    min-height: 44px;
    margin: 0;
  }
  .narrow nav a[aria-current] {
    background: none;
  }
  .narrow .mark {
    display: none;
  }
  .narrow main {
    grid-row: 1;
  }
  /* The head has no room beside its title. */
  .narrow .banner {
    inset-block-start: 64px;
  }

  .drawer {
    position: fixed;
    inset: 0;
    width: 100%;
    max-width: none;
    height: 100%;
    max-height: none;
    margin: 0;
    padding: 0;
    border: 0;
    background: none;
    color: inherit;
  }
  .drawer::backdrop {
    background: var(--capsule-scrim);
  }
  .drawer .sidebar {
    width: min(320px, 86%);
    height: 100%;
    box-shadow: var(--capsule-shadow-dialog);
  }
  .drawer[open] .sidebar {
    animation: slide var(--capsule-slow) var(--capsule-ease);
  }
  @keyframes slide {
    from {
      transform: translateX(-24px);
      opacity: 0;
    }
  }
  .drawer .sidebar > .button {
    justify-content: flex-start;
    flex: none;
    height: 44px;
    margin: 0 8px 8px;
    padding: 0 8px;
  }
  .drawer .sidebar-head .button {
    width: 40px;
    height: 40px;
  }
  .drawer .conversations a {
    padding-block: 10px;
  }
  @media (forced-colors: active) {
    a[aria-current]:not(:focus-visible) {
      outline: 1px solid CanvasText;
      outline-offset: -1px;
    }
  }
`
