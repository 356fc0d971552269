/**
 * The design tokens for elements in any page. tokens.css is the one definition; here every token is registered with
 * its value as the initial one, so an element alone has the look, and whatever the page sets on an ancestor wins.
 * The scheme is the page's `color-scheme`; `theme="light|dark|auto"` on an element overrides it.
 */
import source from './tokens.css?inline'

const sheet = new CSSStyleSheet()
sheet.replaceSync(source)

/** Adopted by every element: the schemes, and what reduced motion and forced colours make of the tokens. */
export const tokens = new CSSStyleSheet()
tokens.replaceSync(`
  :host { color-scheme: inherit; }
  :host([theme="auto"]) { color-scheme: light dark; }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
`)

for (const rule of sheet.cssRules) {
  if (rule instanceof CSSStyleRule) register(rule.style)
  if (rule instanceof CSSMediaRule) {
    const inner = [...rule.cssRules].filter((each) => each instanceof CSSStyleRule)
    const css = inner.map((each) => `:host { ${each.style.cssText} }`).join('')
    tokens.insertRule(`@media ${rule.media.mediaText} { ${css} }`, tokens.cssRules.length)
  }
}

function register(style: CSSStyleDeclaration): void {
  for (const name of style) {
    if (!name.startsWith('--capsule-')) continue
    try {
      CSS.registerProperty({ name, syntax: '*', inherits: true, initialValue: style.getPropertyValue(name) })
    } catch {
      // Another copy of this bundle was here first.
    }
  }
}
