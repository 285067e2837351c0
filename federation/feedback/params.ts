// Feedback to providers on what their data did: a parameter that every kind of training job has. Absent: nothing is told.
import { z } from "zod";

/** "bands": the class of information value of each of a host's selected features (scorecards alone), and the gain in AUC. */
export const feedbackSchema = z.literal("bands").optional();
