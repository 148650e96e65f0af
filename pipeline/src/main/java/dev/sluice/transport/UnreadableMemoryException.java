// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import java.io.IOException;

/** Even a plain send could not read the memory: the mapping behind it is gone or was cut short. */
public final class UnreadableMemoryException extends IOException {

    private static final long serialVersionUID = 1L;

    UnreadableMemoryException() {
        super("the kernel cannot read the frame's memory (EFAULT): the file or device behind the mapping was truncated "
                + "or is gone");
    }
}
