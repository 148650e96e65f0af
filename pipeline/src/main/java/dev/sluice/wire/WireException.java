// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.IOException;

/** What came over the wire is not what the sender must have sent; the message is one sentence for the user. */
public final class WireException extends IOException {

    private static final long serialVersionUID = 1L;

    public WireException(String message) {
        super(message);
    }
}
