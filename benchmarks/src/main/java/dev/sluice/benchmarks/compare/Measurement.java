// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

/**
 * One run of one rival.
 *
 * @param mbPerS payload in MB/s (10^6 bytes)
 * @param senderCpu processor seconds of the sending process per GB (10^9 bytes) of payload
 * @param receiverCpu of the receiving process
 * @param machineCpu of all processors, for whomever
 * @param copied share of the bytes that the kernel says it copied though it was asked not to; 0 where nothing is said
 */
record Measurement(double mbPerS, double senderCpu, double receiverCpu, double machineCpu, double copied) {

    /** From times in ns over an interval in which so many bytes were sent. */
    static Measurement of(
            double bytes,
            double wallNanos,
            double senderNanos,
            double receiverNanos,
            double machineNanos,
            double copied) {
        // ns per byte and s per GB are the same number.
        return new Measurement(
                bytes * 1e3 / wallNanos, senderNanos / bytes, receiverNanos / bytes, machineNanos / bytes, copied);
    }
}
