/** A failure that a person can do something about: the message is the whole story, in one sentence, without a stack. */
export class StackProblem extends Error {
  constructor(sentence: string, options?: { cause?: unknown }) {
    super(sentence, options);
    this.name = "StackProblem";
  }
}
