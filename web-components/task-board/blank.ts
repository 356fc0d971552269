/** The board without cards: not loaded yet, refused, nothing there yet, or nothing that the filter lets through. */
import { html, nothing, type TemplateResult } from 'lit'
import type { Problem, TaskInfo } from '../../src/http/wire.ts'
import { icon } from '../shared/index.ts'

/** The command that submits one, for somebody who just started. */
export function submitCommand(base: string, task: string | undefined): string {
  return `curl '${base.replace(/^http:\/\//, '')}/api/v1/tasks/${task ?? '<task>'}/$submit' \\\n  -H 'content-type: application/json' \\\n  -d '{"params": {}}'`
}

export function refused(problem: Problem): TemplateResult {
  return html`<div class="blank" role="alert">
    <div>
      <h3>${problem.title}</h3>
      <p>${problem.detail}</p>
    </div>
  </div>`
}

/** Nothing was ever submitted: what would be here, and the shortest way to get one. */
export function nothingYet(
  labels: readonly string[],
  base: string,
  task: TaskInfo | undefined,
  actions: { copy: (command: string) => void; submit: (task: TaskInfo) => void },
): TemplateResult {
  const command = submitCommand(base, task?.name)
  const submittable = task?.parameters.every((parameter) => !parameter.required) ? task : undefined
  return html`<div class="blank">
    <div class="ghosts" aria-hidden="true">
      ${labels.slice(0, 3).map((label) => html`<div><span class="truncate">${label}</span><span>0</span></div>`)}
    </div>
    <div>
      <h3>No tasks yet</h3>
      <p>A task appears here the moment somebody submits it, from the chat, the API or a schedule.</p>
    </div>
    <div class="code">
      <pre class="grow" tabindex="0" aria-label="Command that submits a task">${command}</pre>
      <button class="button small square ghost" type="button" aria-label="Copy the command" @click=${() => actions.copy(command)}>
        ${icon('copy', 's')}
      </button>
    </div>
    ${
      submittable
        ? html`<div>
            <button class="button primary" type="button" @click=${() => actions.submit(submittable)}>
              ${icon('plus', 's')}Submit ${submittable.name}
            </button>
          </div>`
        : nothing
    }
  </div>`
}

/** Tasks there are, but none that fits. */
export function noMatch(clear: (() => void) | undefined): TemplateResult {
  return html`<div class="blank">
    <div>
      <h3>No task matches</h3>
      <p>Search and filters look at all tasks on the server, ended ones included.</p>
    </div>
    ${clear ? html`<div><button class="button" type="button" @click=${clear}>Clear search and filters</button></div>` : nothing}
  </div>`
}
