/** /api/v1/pages and /api/v1/info: what a client needs to know to show the app. */
import { z } from 'zod'
import type { RunningApp } from '../app/index.ts'
import { HttpRefusal } from './problems.ts'
import { type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toAppInfo, toPage } from './serialise.ts'

const resource = 'App'

export const pageRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/info',
    resource,
    summary: 'The app: its name, its version, its pages',
    answers: { 200: { description: 'About the app', schema: schemas.appInfo } },
    handle: async ({ app }) => toAppInfo(app, await hasSchedules(app)),
  }),

  route({
    method: 'GET',
    path: '/api/v1/pages',
    resource,
    summary: 'The pages that the app declares',
    answers: { 200: { description: 'Their names', schema: z.array(schemas.pageEntry) } },
    handle: ({ app }) => app.pages.map(({ name, icon, slug }) => ({ name, icon: icon ?? null, slug })),
  }),

  route({
    method: 'GET',
    path: '/api/v1/pages/:slug',
    resource,
    summary: 'One page, as blocks',
    answers: { 200: { description: 'The page', schema: schemas.page } },
    errors: ['route-not-found'],
    handle({ app, param }) {
      const page = app.pages.find(({ slug }) => slug === param('slug'))
      if (page) return toPage(page)
      const known = app.pages.map(({ slug }) => slug).join(', ')
      throw new HttpRefusal('route-not-found', `There is no page "${param('slug')}". Known pages: ${known || 'none'}.`)
    },
  }),
]

async function hasSchedules(app: RunningApp): Promise<boolean> {
  return (await app.reads.schedules()).some(({ removed }) => !removed)
}
