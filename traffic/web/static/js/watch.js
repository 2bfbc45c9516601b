// Pages that only show values: follow the stream, patch what is marked.
import { connect } from "/static/js/live.js";
connect();
