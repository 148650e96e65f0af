// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigIncludeContext;
import com.typesafe.config.ConfigIncluder;
import com.typesafe.config.ConfigIncluderClasspath;
import com.typesafe.config.ConfigIncluderFile;
import com.typesafe.config.ConfigIncluderURL;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseable;
import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a topology may include: files, of a size and in a number that somebody could have written. Anything else might have no
 * end. One for each topology.
 */
final class Includes implements ConfigIncluder, ConfigIncluderFile, ConfigIncluderURL, ConfigIncluderClasspath {

    /** Of a file, and of all together: far above any topology, far below a capture that was named by mistake. */
    static final long MOST_BYTES = 1 << 20;

    /** Of one topology; each may include others, and the same one again. */
    private static final int MOST_FILES = 100;

    /** A name may be written without these. */
    private static final List<String> ENDINGS = List.of(".conf", ".json", ".properties");

    /** Of a URL (RFC 3986, 3.1). */
    private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*:");

    /** Of all files, the topology's own first. */
    private final List<String> texts = new ArrayList<>();

    private long chars;

    /** @param text of the topology */
    Includes(String text) {
        texts.add(text);
        chars = text.length();
    }

    /** What is wrong with a file that is to be read as a topology or a part of one; empty if nothing. */
    static String problem(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) {
                return "is not a regular file";
            }
            return attributes.size() > MOST_BYTES
                    ? "is larger than " + MOST_BYTES + " bytes: is it the right file?"
                    : "";
        } catch (IOException e) {
            return "cannot be read";
        }
    }

    /** Nobody else includes anything: the library would open URLs, and look on the classpath. */
    @Override
    public ConfigIncluder withFallback(ConfigIncluder fallback) {
        return this;
    }

    /** Beside the file that includes it. */
    @Override
    public ConfigObject include(ConfigIncludeContext context, String what) {
        if (SCHEME.matcher(what).lookingAt()) {
            throw noFile(what);
        }
        return all(context, what, name -> {
            ConfigParseable found = context.relativeTo(name);
            return found == null ? null : found.origin().filename();
        });
    }

    /** From where the process runs. */
    @Override
    public ConfigObject includeFile(ConfigIncludeContext context, File what) {
        return all(context, what.getPath(), name -> name);
    }

    @Override
    public ConfigObject includeURL(ConfigIncludeContext context, URL what) {
        throw noFile(what.toString());
    }

    @Override
    public ConfigObject includeResources(ConfigIncludeContext context, String what) {
        throw noFile("the resource " + what);
    }

    private static ConfigException noFile(String what) {
        return new ConfigException.BadValue("include", "only files can be included, and " + what + " is none");
    }

    /** Of a name without an ending, what each ending has: the first counts before the others. */
    private ConfigObject all(ConfigIncludeContext context, String what, Function<String, @Nullable String> find) {
        boolean ends = ENDINGS.stream().anyMatch(what::endsWith);
        List<String> names =
                ends ? List.of(what) : ENDINGS.stream().map(what::concat).toList();
        Config all = ConfigFactory.empty();
        boolean found = false;
        for (String name : names) {
            String path = find.apply(name);
            Path file = path == null ? null : file(path);
            if (file != null && !Files.notExists(file)) {
                check(file);
                all = all.withFallback(ConfigFactory.parseFile(file.toFile(), context.parseOptions()));
                found = true;
            }
        }
        if (!found && !context.parseOptions().getAllowMissing()) {
            throw new ConfigException.BadValue("include", what + ", which is to be included, is not there");
        }
        return all.root();
    }

    private static Path file(String name) {
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw new ConfigException.BadValue(
                    "include", name + " is no name of a file: " + e.getReason() + " (is the locale one of UTF-8?)");
        }
    }

    private void check(Path file) {
        String problem = problem(file);
        if (problem.isEmpty()) {
            problem = added(file);
        }
        if (!problem.isEmpty()) {
            throw new ConfigException.BadValue("include", file + " " + problem);
        }
    }

    /** What is put in again and again may be spread over files. */
    private String added(Path file) {
        String text;
        try {
            text = Files.readString(file);
        } catch (CharacterCodingException e) {
            return "is not UTF-8 text";
        } catch (IOException e) {
            return "cannot be read";
        }
        texts.add(text);
        chars += text.length();
        if (texts.size() > MOST_FILES) {
            return "is included after " + MOST_FILES + " others, or the same ones again";
        }
        if (chars > MOST_BYTES) {
            return "is too much: the topology and what it includes are larger than " + MOST_BYTES + " bytes together";
        }
        return Expansion.tooLongFrom(String.join("\n", texts)) > 0
                ? "makes the text too long: what is put in there has been put in too often before, one in the other"
                : "";
    }
}
