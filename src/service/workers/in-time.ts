/** Something has taken too long. */
export class TooLateError extends Error {}

/** A result, if it is there in time. */
export async function inTime<T> (result: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([result, new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new TooLateError(`there was no response within ${milliseconds} ms`)), milliseconds)
    })])
  } finally {
    clearTimeout(timer)
  }
}
