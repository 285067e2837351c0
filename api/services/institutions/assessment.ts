// Checks a self-assessment against the questionnaire, before anything of it is stored.
import { AppError } from "../../../core/errors.ts";
import { isAsked, isMandatory, questionIds, questionnaireVersion, type Assessment, type MemberKind, type QuestionId } from "../../contract/questionnaire.ts";

/** SHA-256 of nothing: an empty file shows nothing. */
const emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Throws ASSESSMENT_VERSION, ASSESSMENT_QUESTION, ASSESSMENT_MANDATORY, ASSESSMENT_NOT_MET, ASSESSMENT_EVIDENCE. */
export function checkAssessment({ questionnaire, answers }: Assessment, kind: MemberKind): void {
  if (questionnaire !== questionnaireVersion) throw new AppError("ASSESSMENT_VERSION", { given: questionnaire, present: questionnaireVersion });
  const given = new Set(answers.map((answer) => answer.question));
  const isKnown = (id: string): id is QuestionId => questionIds.some((known) => known === id) && isAsked(id as QuestionId, kind);
  if (given.size !== answers.length || ![...given].every(isKnown)) throw new AppError("ASSESSMENT_QUESTION", { answers: answers.length, different: given.size });
  const mandatory = questionIds.filter((id) => isMandatory(id) && isAsked(id, kind));
  const missing = mandatory.filter((id) => !given.has(id)).length;
  if (missing > 0) throw new AppError("ASSESSMENT_MANDATORY", { missing });
  const notMet = answers.filter((answer) => answer.answer !== "yes" && mandatory.some((id) => id === answer.question)).length;
  if (notMet > 0) throw new AppError("ASSESSMENT_NOT_MET", { notMet });
  const isShown = ({ answer, evidence }: Assessment["answers"][number]): boolean =>
    new Set(evidence).size === evidence.length && !evidence.includes(emptyDigest) && (answer !== "yes" || evidence.length > 0);
  const unshown = answers.filter((answer) => !isShown(answer)).length;
  if (unshown > 0) throw new AppError("ASSESSMENT_EVIDENCE", { answers: unshown });
}
