// Training on companies alone that agreed to it: a parameter that every kind of training job has.
import { z } from "zod";

/** Each host whose data need authorisation checks a consent (kind `train`) of each company before it is in the rows. */
export const consentedOnlySchema = z.literal(true).optional();
