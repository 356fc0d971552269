/** How queries are written: several values of one name, whole numbers, pages of a list. */
import { z } from 'zod'

/** `?status=a&status=b` and `?status=a,b` are the same. */
export function many<T extends z.ZodType<unknown, string>>(item: T) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((value) => (Array.isArray(value) ? value : [value]).flatMap((part) => part.split(',')))
    .pipe(z.array(item))
    .meta({ description: 'Repeat it or separate by commas' })
}

/** A whole number in a query. */
export const wholeNumber = (min: number, max = Number.MAX_SAFE_INTEGER) => {
  const most = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`
  const wanted = `must be a whole number from ${min}${most}`
  return z.coerce.number(wanted).int(wanted).min(min, wanted).max(max, wanted)
}

export const pageSize = wholeNumber(1, 500)
export const cursor = z.string().min(1).meta({ description: 'From the Link header of the page before' })
