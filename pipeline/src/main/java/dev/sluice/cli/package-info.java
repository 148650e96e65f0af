// SPDX-License-Identifier: Apache-2.0
/**
 * The commands: what a user types, what is printed, and the exit status. 0: all went well; 1: it did not; 2: the command
 * line is wrong; 78: the configuration is wrong (EX_CONFIG of {@code <sysexits.h>}).
 */
@NullMarked
package dev.sluice.cli;

import org.jspecify.annotations.NullMarked;
