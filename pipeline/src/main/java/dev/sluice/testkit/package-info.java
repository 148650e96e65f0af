// SPDX-License-Identifier: Apache-2.0
/**
 * For authors of filters: runs a filter as a pipeline does, without a device and without a network. {@link
 * dev.sluice.testkit.FilterTester} is fed bytes and hands back what goes on; it needs no test framework, and its checks
 * throw an {@link java.lang.AssertionError}.
 */
@NullMarked
package dev.sluice.testkit;

import org.jspecify.annotations.NullMarked;
