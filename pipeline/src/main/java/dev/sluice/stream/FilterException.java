// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

/** A filter failed or kept what it must not keep. */
public final class FilterException extends Exception {

    private static final long serialVersionUID = 1L;

    public FilterException(String filter, Throwable cause) {
        super(
                "filter " + filter + " failed: "
                        + (cause instanceof IllegalArgumentException && cause.getMessage() != null
                                ? cause.getMessage()
                                : cause),
                cause);
    }
}
