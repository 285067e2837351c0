// A bank's own model beside the joint one: a parameter that every kind of training job has.
import { z } from "zod";

/** SHA-256 of an ONNX file in the bank's own enclave, which alone scores with it. Others learn from the plan that there is one. */
export const challengerSchema = z.string().regex(/^[0-9a-f]{64}$/).optional();
