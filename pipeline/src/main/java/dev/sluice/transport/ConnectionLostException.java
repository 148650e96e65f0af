// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.LinuxException;
import java.io.IOException;

/** The connection is gone, or of no more use; the message says why. */
public final class ConnectionLostException extends IOException {

    private static final long serialVersionUID = 1L;

    /** The kernel says so. */
    public ConnectionLostException(int errno) {
        this(LinuxException.describe(errno));
    }

    public ConnectionLostException(String reason) {
        super(reason);
    }

    /** Why, in one sentence. */
    public String reason() {
        return String.valueOf(getMessage());
    }
}
