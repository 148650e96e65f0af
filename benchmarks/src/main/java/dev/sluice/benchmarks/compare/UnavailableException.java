// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

/** A rival cannot run on this machine; it is left out, with this sentence. */
final class UnavailableException extends Exception {

    private static final long serialVersionUID = 1L;

    UnavailableException(String message) {
        super(message);
    }
}
