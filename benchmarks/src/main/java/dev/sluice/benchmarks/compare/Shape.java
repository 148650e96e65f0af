// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

/**
 * What is sent and to how many.
 *
 * @param frameBytes of a buffer, all of which are sent
 * @param buffers of the ring
 * @param receivers processes that each receive all; more than one only from a pipeline
 */
record Shape(int frameBytes, int buffers, int receivers) {

    long ringBytes() {
        return (long) buffers * frameBytes;
    }
}
